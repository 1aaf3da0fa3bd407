"""Reservations: a provider's time that holds and appointments reserve."""
