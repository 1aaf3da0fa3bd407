"""Copies of providers and provider-locations from the feed, with the fields that emails show."""
