"""Accounts, sign-in and patients: the only home of personal data."""
