"""How often passwords may be tried and mails asked for."""
