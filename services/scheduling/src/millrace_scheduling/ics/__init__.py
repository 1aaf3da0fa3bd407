"""Appointments as iCalendar (RFC 5545)."""
