"""Provider-locations: one provider at one location, the unit of search and booking."""
