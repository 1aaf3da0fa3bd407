"""Requests that are malformed in every way that we know of, for all routes of all services."""
