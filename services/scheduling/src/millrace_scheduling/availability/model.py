"""Find which slots of a calendar can be booked, and for which visits. Pure."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from millrace_contracts.entities import Mode, PatientKind
from millrace_scheduling.calendar.model import Calendar, VisitType, visit_type_for
from millrace_scheduling.calendar.slots import UNLIMITED, OccupiedTime, Segment, find_segment, fits
from millrace_scheduling.calendar.windows import start_of_day
from millrace_scheduling.zones import local_day

PATIENTS: tuple[PatientKind, ...] = ("existing", "new")
MODES: tuple[Mode, ...] = ("in_person", "video")


class VisitCriteria(NamedTuple):
    """Search criteria for visits; a criterion that is None matches every visit."""

    visit_reason: str | None = None
    patient: PatientKind | None = None
    mode: Mode | None = None


class OpeningDetails(NamedTuple):
    """The visits that can be booked at a time: length of the shortest in minutes, all modes and kinds of patients."""

    minutes: int
    modes: tuple[Mode, ...]
    patients: tuple[PatientKind, ...]


ANY_VISIT = VisitCriteria()
NO_OCCUPIED_TIME = OccupiedTime(())


def matching_visit_types(calendar: Calendar, criteria: VisitCriteria) -> tuple[VisitType, ...]:
    """Return the calendar's visit types that match the criteria, in the calendar's order."""
    patients = PATIENTS if criteria.patient is None else (criteria.patient,)
    modes = MODES if criteria.mode is None else (criteria.mode,)
    if criteria.visit_reason is None:
        return tuple(
            each
            for each in calendar.visit_types
            if not set(patients).isdisjoint(each.patients) and not set(modes).isdisjoint(each.modes)
        )
    chosen = [visit_type_for(calendar, criteria.visit_reason, patient, mode) for patient in patients for mode in modes]
    return tuple(each for each in calendar.visit_types if each in chosen)


def opening_details(visit_types: Sequence[VisitType], criteria: VisitCriteria) -> OpeningDetails:
    """Return the details of an opening at which all of these visit types can be booked."""
    return OpeningDetails(
        min(each.minutes for each in visit_types),
        tuple(m for m in MODES if criteria.mode in (None, m) and any(m in each.modes for each in visit_types)),
        tuple(p for p in PATIENTS if criteria.patient in (None, p) and any(p in each.patients for each in visit_types)),
    )


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


def find_visit_type(
    calendar: Calendar, segments: Sequence[Segment], start: int, criteria: VisitCriteria, now: float
) -> VisitType | None:
    """Return the visit type to be booked at `start`, regardless of bookings; None if the calendar offers none there.

    `segments` must include those of the start's day. `explanation.explain_start` finds out why there is none.
    """
    within = start_bounds(calendar, now)
    segment = find_segment(segments, calendar.grid_minutes, start)
    if segment is None or not within.first <= start < within.before:
        return None
    suitable = (
        each
        for each in matching_visit_types(calendar, criteria)
        if fits(each, start, segment.until, (UNLIMITED, UNLIMITED))
    )
    return next(suitable, None)


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
    """The bookable times of a provider-location; bit n of a run's mask stands for `visit_types[n]`."""

    timetable: Timetable
    visit_types: Sequence[VisitType]
    runs: list[Run]

    def starts(self) -> Iterator[int]:
        """Return all starts in order, in minutes since the epoch."""
        return chain.from_iterable(run.starts for run in self.runs)


def find_bookable_times(
    timetable: Timetable, occupied: OccupiedTime, criteria: VisitCriteria, within: StartBounds | None, now: float
) -> BookableTimes:
    """Return the times of a timetable that can be booked.

    The timetable's minimum notice and booking horizon restrict them, and `within` does. `now` is in seconds since the
    epoch.
    """
    calendar = timetable.calendar
    if calendar is None:
        return BookableTimes(timetable, (), [])
    allowed = start_bounds(calendar, now)
    if within is not None:
        allowed = StartBounds(max(allowed.first, within.first), min(allowed.before, within.before))
    types = matching_visit_types(calendar, criteria)
    runs = find_free_runs(types, timetable.segments, calendar.grid_minutes, occupied, allowed)
    return BookableTimes(timetable, types, runs)
