"""Holds: how long, how often, how many. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from millrace_scheduling.claim.model import Visit

LIFETIME: Final = timedelta(minutes=5)
"""Of a hold, and of its one extension counted from the moment it is asked for."""
PER_PATIENT: Final = 3
PER_ADDRESS: Final = 20
"""Of all patients behind one address: a household or a waiting room has several, a hoarder uses many accounts."""


class TooManyHoldsError(Exception):
    """Somebody holds as many times as they may; the first is free at `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__("as many holds as may be")
        self.until = until


class ExtendedBeforeError(Exception):
    """A hold is extended once."""


@dataclass(frozen=True, slots=True)
class Held:
    """How many live holds a patient and an address have, and when the first of each ends."""

    by_patient: int
    by_address: int
    patient_until: datetime | None = None
    address_until: datetime | None = None

    def require_room(self, now: datetime) -> None:
        """Raises `TooManyHoldsError`."""
        if self.by_patient >= PER_PATIENT:
            raise TooManyHoldsError(self.patient_until or now)
        if self.by_address >= PER_ADDRESS:
            raise TooManyHoldsError(self.address_until or now)


@dataclass(frozen=True, slots=True)
class Hold:
    """A time that is kept for a patient until `expires_at`."""

    id: UUID
    patient_id: UUID
    dependant_id: UUID | None
    visit: Visit
    expires_at: datetime
    extended: bool = False

    def extension(self, now: datetime) -> "Hold":
        """Raises `ExtendedBeforeError`. A hold never gets shorter."""
        if self.extended:
            raise ExtendedBeforeError
        return replace(self, extended=True, expires_at=max(self.expires_at, now + LIFETIME))
