"""Appointments in iCalendar format (RFC 5545), and private addresses at which calendar programs read them."""
