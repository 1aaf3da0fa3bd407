"""Shares: practices whose staff may read a patient's data."""
