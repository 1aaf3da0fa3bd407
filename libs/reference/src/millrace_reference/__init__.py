"""Reference data (specialties, visit reasons, languages, ZIP codes) and normalization (names, addresses, phones)."""
