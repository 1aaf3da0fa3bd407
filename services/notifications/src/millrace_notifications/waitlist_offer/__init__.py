"""Offers of the waitlist."""
