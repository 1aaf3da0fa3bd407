"""Visits and the rule when they can be reviewed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto


class Obstacle(Enum):
    """Reason why a visit cannot be reviewed or its review not be changed."""

    NOT_COMPLETED = auto()
    TOO_LATE = auto()


@dataclass(frozen=True, slots=True)
class Visit:
    """Appointment at a version. `patient_id` is None once the patient was erased.

    `month` is the local month of its start (`2026-11`); `completed_at` is None until the visit is completed.
    """

    id: str
    version: int
    patient_id: str | None
    npi: str
    provider_location_id: str
    practice_id: str | None
    month: str
    completed_at: datetime | None


def find_obstacle(completed_at: datetime | None, now: datetime, window: timedelta) -> Obstacle | None:
    """Return why the visit cannot be reviewed; None within `window` after its completion."""
    if completed_at is None:
        return Obstacle.NOT_COMPLETED
    return Obstacle.TOO_LATE if now > completed_at + window else None
