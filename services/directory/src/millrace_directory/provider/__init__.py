"""Providers: persons who see patients."""
