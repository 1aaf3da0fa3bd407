"""E-mail that goes out."""
