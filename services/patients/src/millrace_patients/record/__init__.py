"""Sealed records: what a patient's profile, dependants and insurance cards have in common."""
