"""Appointments as consumed from the feed, and the changes between their versions."""
