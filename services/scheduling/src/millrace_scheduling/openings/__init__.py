"""Openings by provider-location and week, published to the feed and streamed to clients."""
