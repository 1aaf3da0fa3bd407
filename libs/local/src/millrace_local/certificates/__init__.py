"""`millrace certificates`: certificates with which services listen and call each other by TLS."""
