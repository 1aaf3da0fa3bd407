"""The search service: searches, suggestions and provider pages."""
