"""Messages to endpoints, their attempts and their log."""
