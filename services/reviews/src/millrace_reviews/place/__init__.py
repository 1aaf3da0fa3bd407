"""Provider-locations as this service knows them: an id, and the practice that runs the place."""
