"""Emails: their content, and sending them through Amazon SES."""
