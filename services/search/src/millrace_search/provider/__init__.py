"""Show one provider: `GET /v1/providers/{npi}`, read from the source of truth."""
