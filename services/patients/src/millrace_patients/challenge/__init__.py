"""Tokens that prove who reads an address' mail."""
