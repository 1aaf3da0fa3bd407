"""Holds: times kept free for a patient for some minutes."""
