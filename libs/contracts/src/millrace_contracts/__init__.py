"""What services tell each other: the envelope and the entities."""
