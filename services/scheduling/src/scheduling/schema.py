"""All tables under one metadata, for migrations and their tests."""

from scheduling.calendar.tables import calendars
from scheduling.claim.tables import claims
from scheduling.openings.tables import dirty_openings, openings
from scheduling.place.tables import places
from scheduling.slot.tables import slots
from scheduling.tables import metadata

__all__ = ["calendars", "claims", "dirty_openings", "metadata", "openings", "places", "slots"]
