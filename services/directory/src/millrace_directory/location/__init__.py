"""Locations: places where patients are seen."""
