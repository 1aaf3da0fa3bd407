"""Persons: an id, and the data key under which all that is personal lies."""
