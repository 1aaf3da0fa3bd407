"""The waitlist: who wants a time that is not free yet."""
