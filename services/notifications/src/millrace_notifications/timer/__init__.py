"""Timers: scheduled emails to patients about appointments and waitlist offers."""
