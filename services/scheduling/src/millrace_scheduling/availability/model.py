"""Find which slots of a calendar can be booked, and for which visits. Pure."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from millrace_scheduling.availability.visit_types import VisitCriteria, matching_visit_types
from millrace_scheduling.calendar.model import Calendar, VisitType
from millrace_scheduling.calendar.slots import UNLIMITED, OccupiedTime, Segment
from millrace_scheduling.calendar.windows import start_of_day
from millrace_scheduling.zones import local_day, to_minute

NO_OCCUPIED_TIME = OccupiedTime(())


class StartBounds(NamedTuple):
    """Limits on the starts of visits, in minutes since the epoch: `first` is the earliest, `before` is excluded."""

    first: int
    before: int


def start_bounds(calendar: Calendar, now: float) -> StartBounds:
    """Return the bounds that minimum notice and booking horizon set at `now` (seconds since the epoch)."""
    earliest = math.ceil(now / 60) + calendar.minimum_notice
    return StartBounds(earliest, _horizon(calendar.time_zone, calendar.horizon_days, int(now) // 60))


@lru_cache(maxsize=1024)
def _horizon(zone: str, days: int, minute: int) -> int:
    return start_of_day(zone, local_day(zone, minute) + timedelta(days))


def decode_segments(numbers: Sequence[int]) -> list[Segment]:
    """Return the segments that the column `slots.segments` stores as a flat list, three numbers each."""
    return [Segment(*numbers[at : at + 3]) for at in range(0, len(numbers), 3)]


class Run(NamedTuple):
    """Consecutive starts at which the same visit types fit; bit n of `mask` is set if the nth visit type does."""

    starts: range
    mask: int


class _Requirement(NamedTuple):
    """Minutes that a visit type needs: free time `before` its start; open hours and free time `after` its start.

    `bit` is the visit type's bit in `Run.mask`.
    """

    bit: int
    before: int
    open: int
    after: int


class _Requirements(NamedTuple):
    """The requirements of all visit types, and the maximum and the minimum of each value."""

    each: tuple[_Requirement, ...]
    most: _Requirement
    least: _Requirement


@lru_cache(maxsize=4096)
def _requirements(visit_types: tuple[VisitType, ...]) -> _Requirements:
    each = tuple(
        _Requirement(1 << bit, kind.buffer_before, kind.minutes, kind.minutes + kind.buffer_after)
        for bit, kind in enumerate(visit_types)
    )
    every = (1 << len(each)) - 1
    _, *columns = zip(*each, strict=True)
    return _Requirements(each, _Requirement(every, *map(max, columns)), _Requirement(every, *map(min, columns)))


def find_free_runs(
    visit_types: Sequence[VisitType],
    segments: Iterable[Segment],
    grid: int,
    occupied: OccupiedTime,
    within: StartBounds,
) -> list[Run]:
    """Return the starts at which at least one visit type fits, in order, as runs. `grid`: minutes between slots.

    Called in each request for openings, so it goes from gap to gap between occupied times: inside of a gap all visit
    types fit. Only at the edges of a gap, where some may not fit, it checks each start.
    """
    runs: list[Run] = []
    if not visit_types:
        return runs
    requirements, most, least = _requirements(tuple(visit_types))
    every, most_before, most_open, most_after = most
    _, least_before, least_open, least_after = least
    begins, ends = occupied.begins, occupied.ends
    count = len(begins)
    for first, last, until in segments:
        end = min(last, within.before)
        at = first if within.first <= first else within.first + (first - within.first) % grid
        index = bisect_right(begins, at)
        while at < end:
            begin = ends[index - 1] if index else -UNLIMITED
            close = begins[index] if index < count else UNLIMITED
            if begin + least_before > at:
                at = begin + least_before
                at += (first - at) % grid
            stop = min(end, close - least_after + 1, until - least_open + 1)
            if at < stop:
                middle = at if begin + most_before <= at else begin + most_before
                middle += (first - middle) % grid
                middle_end = min(stop, close - most_after + 1, until - most_open + 1)
                if middle < middle_end:
                    if at < middle:
                        runs += _check_edge(requirements, range(at, middle, grid), begin, close, until)
                    runs.append(Run(range(middle, middle_end, grid), every))
                    at = middle_end + (first - middle_end) % grid
                if at < stop:
                    runs += _check_edge(requirements, range(at, stop, grid), begin, close, until)
            if index == count:
                break
            if close > at:
                at = close + (first - close) % grid
            index += 1
            while index < count and begins[index] <= at:
                index += 1
    return runs


def _check_edge(requirements: Sequence[_Requirement], starts: range, begin: int, close: int, until: int) -> list[Run]:
    """Return a run of one start for each of `starts` at which a visit type fits between the reserved times that end
    at `begin` and begin at `close`, within opening hours until `until`.
    """
    runs: list[Run] = []
    for start in starts:
        mask = 0
        for bit, before, open_, after in requirements:
            if start - begin >= before and close - start >= after and until - start >= open_:
                mask |= bit
        if mask:
            runs.append(Run(range(start, start + 1), mask))
    return runs


def select_visit_types(mask: int, visit_types: Sequence[VisitType]) -> list[VisitType]:
    """Return the visit types whose bits are set in the `mask` of a `Run`."""
    return [each for bit, each in enumerate(visit_types) if mask >> bit & 1]


@dataclass(frozen=True, slots=True)
class Timetable:
    """A provider-location with its calendar (None if it has none) and its slots on the requested days."""

    provider_location_id: UUID
    npi: str
    practice_id: UUID | None
    time_zone: str
    calendar: Calendar | None
    segments: list[Segment]


@dataclass(frozen=True, slots=True)
class BookableTimes:
    """The bookable times of a provider-location; bit n of a run's mask stands for `visit_types[n]`.

    `visit_types` are those that match the criteria, in the calendar's order.
    """

    visit_types: tuple[VisitType, ...]
    runs: list[Run]

    def starts(self) -> Iterator[int]:
        """Return all starts in order, in minutes since the epoch."""
        return chain.from_iterable(run.starts for run in self.runs)


def find_bookable_times(
    timetable: Timetable, occupied: OccupiedTime, criteria: VisitCriteria, within: StartBounds | None, now: float
) -> BookableTimes:
    """Return the times of a timetable that can be booked: what is listed and published, held and explained.

    The timetable's minimum notice and booking horizon restrict them, and `within` does. `now` is in seconds since the
    epoch.
    """
    calendar = timetable.calendar
    if calendar is None:
        return BookableTimes((), [])
    allowed = start_bounds(calendar, now)
    if within is not None:
        allowed = StartBounds(max(allowed.first, within.first), min(allowed.before, within.before))
    types = matching_visit_types(calendar.visit_types, criteria)
    runs = find_free_runs(types, timetable.segments, calendar.grid_minutes, occupied, allowed)
    return BookableTimes(types, runs)


def find_bookable_visit_type(
    timetable: Timetable, occupied: OccupiedTime, criteria: VisitCriteria, start: datetime, now: float
) -> VisitType | None:
    """Return the visit type to be booked at `start`, the first that fits; None if no visit can be booked there.

    The timetable must have the slots of the start's day, and `occupied` all time within a day and a half of the start.
    `explanation.explain_start` finds out why there is none.
    """
    if start.second or start.microsecond:
        return None
    minute = to_minute(start)
    times = find_bookable_times(timetable, occupied, criteria, StartBounds(minute, minute + 1), now)
    return next((each for run in times.runs for each in select_visit_types(run.mask, times.visit_types)), None)
