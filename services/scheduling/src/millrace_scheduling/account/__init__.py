"""Copies of the roles of accounts, by id; nothing else about them is known here."""
