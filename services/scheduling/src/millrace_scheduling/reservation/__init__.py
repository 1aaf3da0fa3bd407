"""Reservations: the reserved time of a provider, of holds and appointments alike."""
