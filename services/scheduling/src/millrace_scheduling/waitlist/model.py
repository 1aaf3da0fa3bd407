"""The line for a place: who waits for what, and what they were offered. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from millrace_contracts.entities import Mode, PatientKind
from millrace_scheduling.hold.asking import Asked

OFFER_LIFETIME: Final = timedelta(minutes=15)
"""Somebody has to read a message first: longer than a hold."""
PER_PATIENT: Final = 10
DAYS: Final = 60
"""Most that the range of an entry spans."""


class EntryState(StrEnum):
    """Where an entry stands. A `done` one is out of the line."""

    WAITING = "waiting"
    OFFERED = "offered"
    DONE = "done"


class OfferState(StrEnum):
    """Where an offer stands. The last two are final."""

    OFFERED = "offered"
    TAKEN = "taken"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody in line. Ids rise with time: their order is the line. Days are those of the place, both included."""

    id: UUID
    place_id: UUID
    patient_id: UUID
    dependant_id: UUID | None
    visit_reason: str | None
    mode: Mode
    patient_kind: PatientKind
    first_day: date
    last_day: date
    state: EntryState
    created_at: datetime

    def asked(self, start: datetime) -> Asked:
        """What the entry asks for at a time."""
        return Asked(self.place_id, start, self.visit_reason, self.patient_kind, self.mode)


@dataclass(frozen=True, slots=True)
class Offer:
    """A time that is held for the first in line. A time that somebody let go isn't offered to them again."""

    id: UUID
    version: int
    state: OfferState
    claim_id: UUID
    start: datetime
    minutes: int
    expires_at: datetime

    def became(self, state: OfferState) -> "Offer":
        return replace(self, version=self.version + 1, state=state)


def candidates(free: Iterable[datetime], offered_before: frozenset[datetime], most: int) -> list[datetime]:
    """The first times that can be offered to somebody, in order."""
    found: list[datetime] = []
    for start in free:
        if start not in offered_before:
            found.append(start)
            if len(found) == most:
                break
    return found
