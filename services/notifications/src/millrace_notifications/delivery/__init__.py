"""Webhook messages, their deliveries to endpoints, and the log of attempts."""
