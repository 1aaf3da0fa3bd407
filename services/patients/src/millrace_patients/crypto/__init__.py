"""Envelope encryption: data keys seal data, and a master key that never leaves the KMS wraps data keys."""
