"""Summaries: what the published reviews of a provider come to."""
