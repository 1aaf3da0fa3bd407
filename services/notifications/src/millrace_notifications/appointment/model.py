"""What became of a visit, seen from two of its states: pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Happening(StrEnum):
    """What became of a visit."""

    BOOKED = "booked"
    MOVED = "moved"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    ARRIVED = "arrived"
    COMPLETED = "completed"
    NO_SHOW = "no_show"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """An appointment at one version. Ids are opaque; `start` and `moved_from` know their offset."""

    id: str
    version: int
    state: str
    start: datetime
    provider_location_id: str
    npi: str
    patient_id: str
    minutes: int
    mode: str
    practice_id: str | None = None
    time_zone: str | None = None
    moved_from: datetime | None = None
    cancelled_by: str | None = None
    completed_at: datetime | None = None

    @property
    def entity(self) -> str:
        return f"appointment/{self.id}"


@dataclass(frozen=True, slots=True)
class Known:
    """What was known of a visit before."""

    version: int
    state: str
    start: datetime
    provider_location_id: str

    @classmethod
    def of(cls, visit: Visit) -> "Known":
        return cls(visit.version, visit.state, visit.start, visit.provider_location_id)


def happenings(before: Known | None, after: Visit) -> tuple[Happening, ...]:
    """What became of it between the two states, in order. Versions between them may have been skipped."""
    if before is None:
        return _unseen(after)
    moved = (before.start, before.provider_location_id) != (after.start, after.provider_location_id)
    # A moved visit is booked anew; that its state goes back to `booked` is no second booking.
    reached = after.state not in (before.state, Happening.BOOKED)
    return (*((Happening.MOVED,) if moved else ()), *((Happening(after.state),) if reached else ()))


def _unseen(visit: Visit) -> tuple[Happening, ...]:
    """Of a visit that is still to come its booking, or last move, is news too."""
    if visit.state not in (Happening.BOOKED, Happening.CONFIRMED):
        return (Happening(visit.state),)
    begun = Happening.BOOKED if visit.moved_from is None else Happening.MOVED
    return (begun,) if visit.state == Happening.BOOKED else (begun, Happening.CONFIRMED)
