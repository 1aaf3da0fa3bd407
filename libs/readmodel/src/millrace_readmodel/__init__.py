"""The source of truth (DynamoDB) and the read model (Valkey/Redis), which the projector writes and search reads."""
