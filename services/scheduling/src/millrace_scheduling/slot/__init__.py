"""Slots: the times that a calendar makes, without regard to what is booked."""
