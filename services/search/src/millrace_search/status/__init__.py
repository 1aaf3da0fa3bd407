"""Show statistics of the service to operators: `GET /internal/search/status`."""
