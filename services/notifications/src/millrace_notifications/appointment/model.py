"""Detection of changes between two versions of an appointment: pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeAlias

import msgspec

AwareTime: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with offset, converted from RFC 3339."""


class ChangeType(StrEnum):
    """Types of changes to an appointment that cause emails or webhook messages."""

    BOOKED = "booked"
    MOVED = "moved"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    ARRIVED = "arrived"
    COMPLETED = "completed"
    NO_SHOW = "no_show"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """An appointment at one version. `moved_from` is the start before the last move."""

    id: str
    version: int
    state: str
    start: AwareTime
    provider_location_id: str
    npi: str
    patient_id: str
    minutes: int
    mode: str
    practice_id: str | None = None
    time_zone: str | None = None
    moved_from: AwareTime | None = None
    cancelled_by: str | None = None
    completed_at: AwareTime | None = None

    @property
    def entity(self) -> str:
        return f"appointment/{self.id}"


@dataclass(frozen=True, slots=True)
class AppointmentState:
    """The fields of an appointment's last version that are stored to detect the next change."""

    version: int
    state: str
    start: datetime
    provider_location_id: str

    @classmethod
    def of(cls, appointment: Appointment) -> "AppointmentState":
        return cls(appointment.version, appointment.state, appointment.start, appointment.provider_location_id)


def detect_changes(before: AppointmentState | None, after: Appointment) -> tuple[ChangeType, ...]:
    """Return the changes between two versions, in order; versions in between may have been skipped.

    `before` is None for the first version seen of an appointment.
    """
    if before is None:
        return _detect_first_changes(after)
    moved = (before.start, before.provider_location_id) != (after.start, after.provider_location_id)
    # Moving resets the state to `booked`, which is not a second booking.
    new_state = after.state not in (before.state, ChangeType.BOOKED)
    return (*((ChangeType.MOVED,) if moved else ()), *((ChangeType(after.state),) if new_state else ()))


def _detect_first_changes(appointment: Appointment) -> tuple[ChangeType, ...]:
    """Return the changes for the first version seen: its state, after a booking or move if the visit is still ahead."""
    if appointment.state not in (ChangeType.BOOKED, ChangeType.CONFIRMED):
        return (ChangeType(appointment.state),)
    first = ChangeType.BOOKED if appointment.moved_from is None else ChangeType.MOVED
    return (first,) if appointment.state == ChangeType.BOOKED else (first, ChangeType.CONFIRMED)
