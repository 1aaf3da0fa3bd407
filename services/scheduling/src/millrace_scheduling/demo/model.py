"""How made-up practices work: a few dozen patterns in every zone, some places nearly full and some nearly empty."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import cache
from random import Random
from typing import NamedTuple
from uuid import UUID

from millrace_scheduling.calendar.model import Calendar, Hours, VisitType
from millrace_scheduling.slot.model import Segment, segments_of

PATTERNS = 40
GRID = 30
BOOKED_DAYS = 14
_HALF_DAYS = ((510, 720), (540, 720), (780, 960), (780, 1020), (1020, 1200))
_LOADS = (1.0, 0.8, 0.35, 0.1, 0.0)
_LOAD_WEIGHTS = (6, 8, 14, 22, 50)


class Booking(NamedTuple):
    """A made-up patient's visit; `start` in minutes."""

    id: UUID
    patient_id: UUID
    start: int
    visit_type: VisitType


@cache
def calendar_of(pattern: int, zone: str, seed: int) -> Calendar:
    """One of the patterns, in a zone."""
    random = Random(f"{seed}/{pattern}")  # noqa: S311 # no secret
    days = sorted(random.sample(range(1, 7), random.choices((1, 2, 3, 4, 5), (10, 30, 30, 20, 10))[0]))
    hours = [(day, half) for day in days for half in random.sample(_HALF_DAYS, random.choice((1, 1, 2)))]
    return Calendar(
        time_zone=zone,
        weekly_hours=tuple(Hours(weekday=day, opens=opens, closes=closes) for day, (opens, closes) in sorted(hours)),
        visit_types=_visit_types(random),
        grid_minutes=GRID,
        minimum_notice=random.choice((0, 60, 120, 1440)),
        horizon_days=random.choices((21, 30, 60), (50, 35, 15))[0],
        cancellation_cutoff=random.choice((0, 720, 1440)),
        federal_holidays=True,
    )


def _visit_types(random: Random) -> tuple[VisitType, ...]:
    follow_up = VisitType(id="follow-up", name="Follow-up", minutes=GRID, patients=("existing",))
    new = VisitType(id="new-patient", name="New patient", minutes=random.choice((30, 60)), patients=("new",))
    video = VisitType(id="video", name="Video visit", minutes=GRID, modes=("video",))
    return (new, follow_up, video) if random.random() < 0.5 else (new, follow_up)


@cache
def segments_on(pattern: int, zone: str, seed: int, day: date) -> tuple[Segment, ...]:
    """The slots of a pattern on a day: thousands of places share them."""
    return tuple(segments_of(calendar_of(pattern, zone, seed), day))


def load_of(random: Random) -> float:
    """Which part of its next two weeks is taken."""
    return random.choices(_LOADS, _LOAD_WEIGHTS)[0]


def bookings(
    calendar: Calendar, rows: Iterable[tuple[date, Sequence[Segment]]], today: date, random: Random
) -> list[Booking]:
    """Visits in the next two weeks, at as many slots as `load_of` says."""
    load, last = load_of(random), today + timedelta(BOOKED_DAYS)
    follow_up = next(each for each in calendar.visit_types if each.id == "follow-up")
    starts = (
        start
        for day, segments in rows
        if today < day <= last
        for first, end, _ in segments
        for start in range(first, end, calendar.grid_minutes)
    )
    return [
        Booking(_made_up_id(random), _made_up_id(random), start, follow_up)
        for start in starts
        if random.random() < load
    ]


def _made_up_id(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=4)
