"""Sessions: from a sign-in to its end, over any number of refreshes."""
