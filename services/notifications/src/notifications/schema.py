"""All tables under one metadata, for migrations and their tests."""

from notifications.account_mail.tables import account_mail
from notifications.appointment.tables import appointment
from notifications.delivery.tables import attempt, delivery, message
from notifications.endpoint.tables import endpoint
from notifications.place.tables import place, provider
from notifications.tables import metadata
from notifications.timer.tables import erased_patient, timer
from notifications.waitlist_offer.tables import waitlist_offer

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
