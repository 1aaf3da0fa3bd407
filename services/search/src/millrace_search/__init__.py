"""Searches, suggestions and provider pages."""
