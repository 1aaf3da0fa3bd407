"""Waitlist offers as consumed from the feed, and the emails about them."""
