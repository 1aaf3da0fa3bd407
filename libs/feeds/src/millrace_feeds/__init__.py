"""Change feeds: outbox, relay, consumer, leases, transports, dead letters."""
