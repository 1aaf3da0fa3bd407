"""`GET /v1/providers/{npi}`: straight from the truth."""
