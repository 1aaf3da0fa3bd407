"""The truth and the read model: what the projector writes and search reads."""
