"""Visits, and the rule for when they can be reviewed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto


class Obstacle(Enum):
    """Reason why a visit cannot be reviewed, or its review cannot be changed."""

    NOT_COMPLETED = auto()
    TOO_LATE = auto()


@dataclass(frozen=True, slots=True)
class Visit:
    """One version of an appointment, with the fields that reviews need.

    `patient_id` is None once the patient has been erased; `start` is in UTC, `month` is its local month (`2026-11`);
    `completed_at` is None until the visit is completed.
    """

    id: str
    version: int
    patient_id: str | None
    npi: str
    provider_location_id: str
    practice_id: str | None
    start: datetime
    month: str
    completed_at: datetime | None

    def has_begun(self, now: datetime) -> bool:
        return now >= self.start


def find_obstacle(completed_at: datetime | None, now: datetime, window: timedelta) -> Obstacle | None:
    """Return why the visit cannot be reviewed; None if it was completed at most `window` before `now`."""
    if completed_at is None:
        return Obstacle.NOT_COMPLETED
    return Obstacle.TOO_LATE if now > completed_at + window else None
