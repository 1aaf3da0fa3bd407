"""Moderation: what people report of reviews, and what moderators decide."""
