"""Reserved time: the visit, the time that it occupies, and the patient who owns it. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from millrace_contracts.entities import Mode, PatientKind

ERASED_PATIENT_ID = UUID(int=0)
"""The patient id in reservations of patients whose data was erased."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit to be booked. `visit_type` is an id within the provider-location's calendar; `start` is in UTC."""

    provider_location_id: UUID
    npi: str
    practice_id: UUID | None
    time_zone: str
    start: datetime
    minutes: int
    visit_type: str
    visit_reason: str | None
    mode: Mode
    patient_kind: PatientKind

    @property
    def end(self) -> datetime:
        return self.start + timedelta(minutes=self.minutes)

    @property
    def time(self) -> "TimeRange":
        """The time of the visit, without buffers."""
        return TimeRange(self.start, self.end)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The time from `begin` until before `end`, in UTC."""

    begin: datetime
    end: datetime

    def overlaps(self, other: "TimeRange") -> bool:
        return self.begin < other.end and other.begin < self.end


@dataclass(frozen=True, slots=True)
class Owner:
    """The patient for whom time is reserved.

    `address_hash` is the MAC of the client's address, None where no client requested the time.
    """

    patient_id: UUID
    dependant_id: UUID | None = None
    address_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """Time to be reserved: a hold if it has `expires_at`, the hold of a waitlist offer if it has `offer_id` too.

    `occupied` is the visit with its buffers. Holds of offers can't be extended.
    """

    id: UUID
    owner: Owner
    visit: Visit
    occupied: TimeRange
    expires_at: datetime | None = None
    offer_id: UUID | None = None
