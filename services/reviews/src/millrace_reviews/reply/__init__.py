"""Replies: what a practice answers to a review, in public."""
