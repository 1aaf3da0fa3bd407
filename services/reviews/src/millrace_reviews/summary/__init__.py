"""Summaries: average ratings of providers, computed from published reviews."""
