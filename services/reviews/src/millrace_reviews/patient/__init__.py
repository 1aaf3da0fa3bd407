"""Patients as this service knows them: an opaque id, and whether there is still anybody behind it."""
