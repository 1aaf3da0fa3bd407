"""Erasures of persons, and their ledger apart from the database, from which a restored backup is erased again."""
