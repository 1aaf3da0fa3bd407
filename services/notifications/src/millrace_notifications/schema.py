"""All tables under one metadata, for migrations and their tests."""

from millrace_notifications.account_mail.tables import account_mail
from millrace_notifications.appointment.tables import appointment
from millrace_notifications.delivery.tables import attempt, delivery, message
from millrace_notifications.endpoint.tables import endpoint
from millrace_notifications.place.tables import place, provider
from millrace_notifications.tables import metadata
from millrace_notifications.timer.tables import erased_patient, timer
from millrace_notifications.waitlist_offer.tables import waitlist_offer

__all__ = [
    "account_mail",
    "appointment",
    "attempt",
    "delivery",
    "endpoint",
    "erased_patient",
    "message",
    "metadata",
    "place",
    "provider",
    "timer",
    "waitlist_offer",
]
