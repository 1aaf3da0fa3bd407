"""Applies the `entities` feed to the source of truth (DynamoDB) and to the read model of searches (Redis)."""
