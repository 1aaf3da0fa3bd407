"""Patterns (numbered random templates) of demo calendars and bookings, from full to empty. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import cache
from random import Random
from typing import NamedTuple
from uuid import UUID

from millrace_scheduling.calendar.model import Calendar, Hours, VisitType
from millrace_scheduling.calendar.slots import Segment, compute_segments

PATTERNS = 40
GRID_MINUTES = 30
BOOKED_DAYS = 14
_HALF_DAYS = ((510, 720), (540, 720), (780, 960), (780, 1020), (1020, 1200))
_BOOKED_SHARES = (1.0, 0.8, 0.35, 0.1, 0.0)
_SHARE_WEIGHTS = (6, 8, 14, 22, 50)


class Booking(NamedTuple):
    """A visit of a demo patient; `start` is in minutes since the epoch."""

    id: UUID
    patient_id: UUID
    start: int
    visit_type: VisitType


@cache
def demo_calendar(pattern: int, zone: str, seed: int) -> Calendar:
    """Return the calendar of the pattern with this number, in a time zone; the same for the same arguments."""
    random = Random(f"{seed}/{pattern}")  # noqa: S311 # no secret
    days = sorted(random.sample(range(1, 7), random.choices((1, 2, 3, 4, 5), (10, 30, 30, 20, 10))[0]))
    hours = [(day, half) for day in days for half in random.sample(_HALF_DAYS, random.choice((1, 1, 2)))]
    return Calendar(
        time_zone=zone,
        follows_location=True,
        weekly_hours=tuple(Hours(weekday=day, opens=opens, closes=closes) for day, (opens, closes) in sorted(hours)),
        visit_types=_visit_types(random),
        grid_minutes=GRID_MINUTES,
        minimum_notice=random.choice((0, 60, 120, 1440)),
        horizon_days=random.choices((21, 30, 60), (50, 35, 15))[0],
        cancellation_cutoff=random.choice((0, 720, 1440)),
        federal_holidays=True,
    )


def _visit_types(random: Random) -> tuple[VisitType, ...]:
    follow_up = VisitType(id="follow-up", name="Follow-up", minutes=GRID_MINUTES, patients=("existing",))
    new = VisitType(id="new-patient", name="New patient", minutes=random.choice((30, 60)), patients=("new",))
    video = VisitType(id="video", name="Video visit", minutes=GRID_MINUTES, modes=("video",))
    return (new, follow_up, video) if random.random() < 0.5 else (new, follow_up)


@cache
def demo_segments(pattern: int, zone: str, seed: int, day: date) -> tuple[Segment, ...]:
    """Return the slots (segments of the day) of the demo pattern with this index; cached, as many share it."""
    return tuple(compute_segments(demo_calendar(pattern, zone, seed), day))


def random_bookings(
    calendar: Calendar, days: Iterable[tuple[date, Sequence[Segment]]], today: date, random: Random
) -> list[Booking]:
    """Book a random share of the slots of the next two weeks; return the visits. `days` has the slots of each day."""
    share, last = random.choices(_BOOKED_SHARES, _SHARE_WEIGHTS)[0], today + timedelta(BOOKED_DAYS)
    follow_up = next(each for each in calendar.visit_types if each.id == "follow-up")
    starts = (
        start
        for day, segments in days
        if today < day <= last
        for first, end, _ in segments
        for start in range(first, end, calendar.grid_minutes)
    )
    return [
        Booking(_random_id(random), _random_id(random), start, follow_up) for start in starts if random.random() < share
    ]


def _random_id(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=4)
