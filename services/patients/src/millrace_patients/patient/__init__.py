"""Patients: their profile, and what concerns all of their data."""
