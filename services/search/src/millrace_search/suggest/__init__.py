"""Suggest completions of typed text: `GET /v1/suggest`."""
