"""Tells patients by e-mail and practices by webhooks what became of their appointments."""
