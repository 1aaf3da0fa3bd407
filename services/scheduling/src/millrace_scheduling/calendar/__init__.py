"""Calendars: when a provider sees patients at a location, and for which visits; and the slots that follow from them."""
