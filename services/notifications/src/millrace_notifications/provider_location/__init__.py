"""Copies of providers and provider-locations from the feed, as emails name them."""
