"""Moderation: flags by readers and decisions by moderators."""
