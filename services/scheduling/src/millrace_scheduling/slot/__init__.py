"""Slots: the times at which a calendar lets visits begin, regardless of bookings."""
