"""The read model in memory: decoded and refreshed on changes."""
