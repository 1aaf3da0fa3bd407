"""Emails about accounts (sign-up, passwords), which the service `patients` queues until they are sent."""
