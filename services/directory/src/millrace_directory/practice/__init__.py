"""Practices: organizations that run locations."""
