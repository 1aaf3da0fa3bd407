"""Accounts, sign-in and patients: the only service that stores personal data."""
