"""This service's copy of the provider-locations, consumed from the `entities` feed."""
