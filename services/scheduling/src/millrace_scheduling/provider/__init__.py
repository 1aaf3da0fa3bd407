"""This service's copy of the names of providers, consumed from the `entities` feed."""
