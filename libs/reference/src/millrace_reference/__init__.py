"""Shared vocabularies and normal forms: specialties, visit reasons, places, names, phones."""
