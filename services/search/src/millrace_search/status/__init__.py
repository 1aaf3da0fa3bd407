"""`GET /internal/search/status`."""
