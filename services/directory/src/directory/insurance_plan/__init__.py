"""Insurance plans."""
