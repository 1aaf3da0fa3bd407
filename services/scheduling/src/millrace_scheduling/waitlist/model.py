"""Waitlist entries and offers. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final, NamedTuple
from uuid import UUID

from millrace_contracts.entities import Mode, PatientKind
from millrace_scheduling.hold.visit_request import VisitRequest

OFFER_LIFETIME: Final = timedelta(minutes=15)
"""Longer than a hold's lifetime, because the patient has to read an email first."""
ENTRIES_PER_PATIENT: Final = 10
MAX_DAYS: Final = 60
"""Maximum of days from today to an entry's last day."""


class EntryState(StrEnum):
    """The state of an entry. `done` entries are no longer on the waitlist."""

    WAITING = "waiting"
    OFFERED = "offered"
    DONE = "done"


class OfferState(StrEnum):
    """The state of an offer. `taken` and `lapsed` (expired or declined) are final."""

    OFFERED = "offered"
    TAKEN = "taken"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class Entry:
    """A patient's entry on the waitlist. Ids increase with time, so the lowest id is the first in line.

    Days are those of the provider-location, both included.
    """

    id: UUID
    provider_location_id: UUID
    patient_id: UUID
    dependant_id: UUID | None
    visit_reason: str | None
    mode: Mode
    patient_kind: PatientKind
    first_day: date
    last_day: date
    state: EntryState
    created_at: datetime

    def request_visit(self, start: datetime) -> VisitRequest:
        """Return a request to book the entry's visit at `start`."""
        return VisitRequest(self.provider_location_id, start, self.visit_reason, self.patient_kind, self.mode)


@dataclass(frozen=True, slots=True)
class Offer:
    """A time that is held for a patient on the waitlist."""

    id: UUID
    version: int
    state: OfferState
    reservation_id: UUID
    start: datetime
    minutes: int
    expires_at: datetime

    def with_state(self, state: OfferState) -> "Offer":
        """Return the offer's next version with the given state."""
        return replace(self, version=self.version + 1, state=state)


class ListedEntry(NamedTuple):
    """An active entry with its open offer, None if it has none, and the time zone of its provider-location."""

    entry: Entry
    offer: Offer | None
    time_zone: str


def select_candidates(free: Iterable[datetime], offered_before: frozenset[datetime], limit: int) -> list[datetime]:
    """Return the first `limit` free starts that weren't offered to this entry before."""
    return list(islice((start for start in free if start not in offered_before), limit))
