"""What takes a provider's time. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from millrace_contracts.entities import Mode, PatientKind

NOBODY = UUID(int=0)
"""Stands for a patient whose data was erased."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What is booked. `visit_type` is an id within the place's calendar; `start` is in UTC."""

    place_id: UUID
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


@dataclass(frozen=True, slots=True)
class Span:
    """Time from `begin` until before `end`, in UTC: a visit with its buffers."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Owner:
    """For whom time is taken. `address` is a MAC of where the request came from, None where no address asked."""

    patient_id: UUID
    dependant_id: UUID | None = None
    address: bytes | None = None
