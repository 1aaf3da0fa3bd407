"""Provider-locations: one provider at one location, what is searched and booked."""
