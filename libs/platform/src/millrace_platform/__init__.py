"""Shared parts of all services: application factory, settings, authentication, errors, database, telemetry."""
