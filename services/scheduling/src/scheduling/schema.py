"""All tables under one metadata, for migrations and their tests."""

from scheduling.appointment.tables import appointments
from scheduling.booking.tables import address_key, idempotency
from scheduling.calendar.tables import calendars
from scheduling.claim.tables import claims
from scheduling.ics.tables import ics_feeds
from scheduling.openings.tables import dirty_openings, openings
from scheduling.place.tables import places
from scheduling.slot.tables import slots
from scheduling.tables import metadata
from scheduling.waitlist.tables import dirty_lines, waitlist_entries, waitlist_offers

__all__ = [
    "address_key",
    "appointments",
    "calendars",
    "claims",
    "dirty_lines",
    "dirty_openings",
    "ics_feeds",
    "idempotency",
    "metadata",
    "openings",
    "places",
    "slots",
    "waitlist_entries",
    "waitlist_offers",
]
