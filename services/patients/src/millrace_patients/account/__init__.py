"""Accounts: an e-mail address, a password, and roles."""
