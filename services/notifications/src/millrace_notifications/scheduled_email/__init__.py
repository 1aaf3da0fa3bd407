"""Emails to patients about appointments and waitlist offers, each scheduled for a time."""
