"""Whose appointments a calendar feed shows. Pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Feed:
    """Whose appointments a secret address shows: a patient's, a place's, or a provider's within a practice."""

    id: UUID
    created_by: UUID
    created_at: datetime
    patient_id: UUID | None = None
    place_id: UUID | None = None
    npi: str | None = None
    practice_id: UUID | None = None
