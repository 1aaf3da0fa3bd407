"""Generates fictitious providers, practices and plans in the formats that the importers read."""
