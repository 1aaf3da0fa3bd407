"""Practices, locations, providers, provider-locations and insurance plans."""
