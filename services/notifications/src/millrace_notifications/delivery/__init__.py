"""Webhook messages: their deliveries to endpoints, attempts and log."""
