"""What letters say of a provider and a place: copies from the feed."""
