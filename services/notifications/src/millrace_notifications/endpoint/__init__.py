"""Webhook endpoints of practices: URLs, subscribed event types and secrets."""
