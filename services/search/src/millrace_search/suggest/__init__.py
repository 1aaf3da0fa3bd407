"""`GET /v1/suggest`."""
