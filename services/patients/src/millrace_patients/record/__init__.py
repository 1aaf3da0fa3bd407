"""Sealed records: common parts of profiles, dependants and insurance cards."""
