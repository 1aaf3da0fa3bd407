"""Sends emails to patients and webhook messages to practices when their appointments change."""
