"""Accounts: an email address, a password and roles."""
