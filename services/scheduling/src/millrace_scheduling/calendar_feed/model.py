"""Calendar feeds. Pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


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
