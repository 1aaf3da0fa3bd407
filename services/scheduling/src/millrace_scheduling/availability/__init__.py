"""Openings, the slots that can be booked, and explanations why other times can't."""
