"""Calendars: when a provider sees patients at a place, and for which visits."""
