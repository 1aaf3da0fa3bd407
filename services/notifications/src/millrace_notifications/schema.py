"""All tables in one metadata, for migrations and their tests."""

from millrace_notifications.account_email.tables import account_email
from millrace_notifications.appointment.tables import appointment
from millrace_notifications.delivery.tables import attempt, delivery, message
from millrace_notifications.endpoint.tables import endpoint
from millrace_notifications.provider_location.tables import provider, provider_location
from millrace_notifications.tables import metadata
from millrace_notifications.timer.tables import erased_patient, timer
from millrace_notifications.waitlist_offer.tables import waitlist_offer

__all__ = [
    "account_email",
    "appointment",
    "attempt",
    "delivery",
    "endpoint",
    "erased_patient",
    "message",
    "metadata",
    "provider",
    "provider_location",
    "timer",
    "waitlist_offer",
]
