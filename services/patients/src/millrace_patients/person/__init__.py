"""Persons: an id and the data key that seals all of the person's data."""
