"""Patients: this service's copy of what they may book, and the lookup of what the copy doesn't have yet."""
