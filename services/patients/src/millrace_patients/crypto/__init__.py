"""Envelope encryption: data is sealed with a data key, and a data key is wrapped by a master key that never leaves."""
