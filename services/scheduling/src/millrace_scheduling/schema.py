"""All tables in one metadata, for migrations and their tests."""

from millrace_scheduling.appointment.tables import appointments
from millrace_scheduling.calendar.tables import calendars, slots
from millrace_scheduling.calendar_feed.tables import ics_feeds
from millrace_scheduling.openings.tables import dirty_openings, openings
from millrace_scheduling.provider_location.repository import provider_locations
from millrace_scheduling.reservation.tables import reservations
from millrace_scheduling.tables import address_key, idempotency, metadata
from millrace_scheduling.waitlist.tables import dirty_lines, waitlist_entries, waitlist_offers

__all__ = [
    "address_key",
    "appointments",
    "calendars",
    "dirty_lines",
    "dirty_openings",
    "ics_feeds",
    "idempotency",
    "metadata",
    "openings",
    "provider_locations",
    "reservations",
    "slots",
    "waitlist_entries",
    "waitlist_offers",
]
