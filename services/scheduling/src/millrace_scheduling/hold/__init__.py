"""Holds: times reserved for a patient for some minutes, until they are booked."""
