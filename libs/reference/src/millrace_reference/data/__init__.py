"""Data files, written by the script `bake.py` or by hand (credentials, languages and visit reasons)."""
