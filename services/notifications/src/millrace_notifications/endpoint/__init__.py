"""Where a practice wants to be told: addresses, event types, secrets."""
