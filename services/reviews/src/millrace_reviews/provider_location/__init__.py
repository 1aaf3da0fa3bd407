"""Provider-locations as this service stores them: an id and the practice."""
