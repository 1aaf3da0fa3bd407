"""Data files: those that `bake.py` writes, and the curated lists of credentials, languages and visit reasons."""
