"""Who read or wrote whose personal data, what, and why: append-only and chained."""
