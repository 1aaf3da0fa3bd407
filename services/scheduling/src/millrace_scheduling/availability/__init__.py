"""Openings: which slots can be booked, and why others can't."""
