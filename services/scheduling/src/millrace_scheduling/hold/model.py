"""Holds: their lifetime, their extension, and their limits per patient and client address. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from millrace_scheduling.reservation.model import Visit
from millrace_scheduling.visit_limits import NO_VISITS, UpcomingVisits, VisitLimits

HOLD_LIFETIME: Final = timedelta(minutes=5)
"""Lifetime of a hold, from its creation and again from its extension."""
HOLDS_PER_PATIENT: Final = 3
HOLDS_PER_ADDRESS: Final = 20
"""More than a household or a waiting room needs; limits a client that uses many accounts."""


class TooManyHoldsError(Exception):
    """The patient or, if `is_of_address`, the client address has as many holds as allowed.

    The first of them expires at `until`.
    """

    def __init__(self, until: datetime, *, is_of_address: bool) -> None:
        super().__init__("too many holds")
        self.until = until
        self.is_of_address = is_of_address


class AlreadyExtendedError(Exception):
    """The hold was extended before."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Active holds of a patient and of a client address, when the first of each expires, and the patient's visits.

    Holds of waitlist offers count as the patient's; they belong to no address.
    """

    by_patient: int
    by_address: int
    patient_until: datetime | None = None
    address_until: datetime | None = None
    visits: UpcomingVisits = NO_VISITS

    def require_capacity(self, limits: VisitLimits, now: datetime) -> None:
        """Raise `TooManyHoldsError` or `TooManyVisitsError` if no further hold is allowed."""
        if self.by_patient >= HOLDS_PER_PATIENT:
            raise TooManyHoldsError(self.patient_until or now, is_of_address=False)
        if self.by_address >= HOLDS_PER_ADDRESS:
            raise TooManyHoldsError(self.address_until or now, is_of_address=True)
        self.visits.require_below(limits)


@dataclass(frozen=True, slots=True)
class Hold:
    """A time reserved for a patient until `expires_at`, so that the patient can book it."""

    id: UUID
    patient_id: UUID
    dependant_id: UUID | None
    visit: Visit
    expires_at: datetime
    is_extended: bool = False

    def extend(self, now: datetime) -> "Hold":
        """Return the extended hold, which never expires earlier than before; raise `AlreadyExtendedError`."""
        if self.is_extended:
            raise AlreadyExtendedError
        return replace(self, is_extended=True, expires_at=max(self.expires_at, now + HOLD_LIFETIME))
