"""Single-use tokens sent by email that prove access to a mailbox."""
