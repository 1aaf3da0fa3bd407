"""Timers: emails to patients about appointments and waitlist offers, scheduled for a time."""
