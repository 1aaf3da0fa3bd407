"""Calendar feeds, and what their events say beyond the appointment. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from uuid import UUID


class Reader(Enum):
    """For whom events are written: the patient sees the provider, staff the type of the visit."""

    PATIENT = auto()
    STAFF = auto()


@dataclass(frozen=True, slots=True)
class LocationDetails:
    """Where and with whom visits take place: texts for people, None where this service has no copy yet.

    `visit_types` are names by id; `changed_at` is when the copies last changed.
    """

    provider_name: str | None = None
    address: str | None = None
    visit_types: Mapping[str, str] = field(default_factory=dict)
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CalendarFeed:
    """A private address that lists appointments of a patient, a provider-location, or a provider in one practice."""

    id: UUID
    created_by: UUID
    created_at: datetime
    patient_id: UUID | None = None
    provider_location_id: UUID | None = None
    npi: str | None = None
    practice_id: UUID | None = None
