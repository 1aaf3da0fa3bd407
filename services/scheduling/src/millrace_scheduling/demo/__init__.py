"""Demo data: random calendars and bookings, the same for the same seed and day."""
