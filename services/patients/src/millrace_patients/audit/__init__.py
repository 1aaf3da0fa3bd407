"""Audit trail of accesses to personal data (actor, person, action, purpose): append-only and hash-chained."""
