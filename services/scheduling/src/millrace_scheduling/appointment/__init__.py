"""Appointments: booked visits and what becomes of them."""
