"""A visit, and whether it may be reviewed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto


class Obstacle(Enum):
    """Why a visit can't be reviewed, or a review of it not be changed."""

    NOT_COMPLETED = auto()
    TOO_LATE = auto()


@dataclass(frozen=True, slots=True)
class Visit:
    """An appointment at a version. `patient_id` is None once the patient was erased.

    `month` is that of its start at the place (`2026-11`); `completed_at` is None until it took place.
    """

    id: str
    version: int
    patient_id: str | None
    npi: str
    provider_location_id: str
    practice_id: str | None
    month: str
    completed_at: datetime | None


def obstacle(completed_at: datetime | None, now: datetime, window: timedelta) -> Obstacle | None:
    """None where a visit may be reviewed: from its completion on, for so long."""
    if completed_at is None:
        return Obstacle.NOT_COMPLETED
    return Obstacle.TOO_LATE if now > completed_at + window else None
