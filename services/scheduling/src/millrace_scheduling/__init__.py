"""Calendars, openings, holds and appointments."""
