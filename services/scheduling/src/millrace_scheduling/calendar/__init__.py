"""Calendars, the hours and visit types of a provider at a location, and the slots computed from them."""
