"""Cleans and orders the changes feed into the entities feed."""
