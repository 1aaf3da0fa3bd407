"""Queue of outgoing account emails."""
