"""Emails about accounts (sign-up, passwords), which `patients` queues until they are sent."""
