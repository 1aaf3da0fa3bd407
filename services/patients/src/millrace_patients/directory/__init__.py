"""Practices and insurance plans: this service's copy, and the lookup of those that it doesn't have yet."""
