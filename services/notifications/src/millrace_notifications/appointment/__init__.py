"""Visits as the feed tells of them, and what became of them."""
