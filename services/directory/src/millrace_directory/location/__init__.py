"""Locations: addresses where patients are seen."""
