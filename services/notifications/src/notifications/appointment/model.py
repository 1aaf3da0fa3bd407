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


def happenings(before: Known | None, after: Visit) -> tuple[Happening, ...]:
    """What became of it between the two states, in order. Versions between them may have been skipped."""
    if before is None:
        unseen_move = after.state == Happening.BOOKED and after.moved_from is not None
        return (Happening.MOVED,) if unseen_move else (Happening(after.state),)
    moved = (before.start, before.provider_location_id) != (after.start, after.provider_location_id)
    # A moved visit is booked anew; that its state goes back to `booked` is no second booking.
    reached = after.state not in (before.state, Happening.BOOKED)
    return (*((Happening.MOVED,) if moved else ()), *((Happening(after.state),) if reached else ()))
