"""Sessions: from a sign-in to sign-out or expiry, over any number of refreshes."""
