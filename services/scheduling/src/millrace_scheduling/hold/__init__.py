"""Holds: times reserved for a patient for a few minutes, so that the patient can book them."""
