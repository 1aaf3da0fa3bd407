"""Offers of a waitlist."""
