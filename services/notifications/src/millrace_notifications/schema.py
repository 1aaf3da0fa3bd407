"""The metadata of all tables, for the test of the migrations: imports each module that defines tables."""

from millrace_notifications.account_email.repository import table as account_email
from millrace_notifications.appointment.repository import table as appointment
from millrace_notifications.delivery.tables import delivery
from millrace_notifications.endpoint.tables import endpoint
from millrace_notifications.provider_location.tables import provider_location
from millrace_notifications.scheduled_email.tables import scheduled_email
from millrace_notifications.tables import metadata
from millrace_notifications.waitlist_offer.repository import table as waitlist_offer

__all__ = [
    "account_email",
    "appointment",
    "delivery",
    "endpoint",
    "metadata",
    "provider_location",
    "scheduled_email",
    "waitlist_offer",
]
