"""Appointments: booked visits, their states and their changes."""
