"""Search for providers: `GET /v1/search`."""
