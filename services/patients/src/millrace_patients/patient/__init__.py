"""Patients: the profile, contact lookup, export and erasure."""
