"""Insurance cards."""
