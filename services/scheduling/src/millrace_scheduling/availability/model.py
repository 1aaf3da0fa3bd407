"""Which of a calendar's slots can be booked, and for what."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple

from millrace_contracts.entities import Mode, PatientKind
from millrace_scheduling.calendar.model import Calendar, VisitType, visit_type_for
from millrace_scheduling.slot.model import FREE, Occupied, Segment, fits, slot_in
from millrace_scheduling.slot.windows import day_begins
from millrace_scheduling.slot.zones import local_day

PATIENTS: tuple[PatientKind, ...] = ("existing", "new")
MODES: tuple[Mode, ...] = ("in_person", "video")


class Wanted(NamedTuple):
    """What a patient looks for; None leaves it open."""

    visit_reason: str | None = None
    patient: PatientKind | None = None
    mode: Mode | None = None


class Offer(NamedTuple):
    """What can be booked at a time: `minutes` of the shortest visit, how and by whom, sorted."""

    minutes: int
    modes: tuple[Mode, ...]
    patients: tuple[PatientKind, ...]


ANYTHING = Wanted()


def offered(calendar: Calendar, wanted: Wanted) -> tuple[VisitType, ...]:
    """The visit types that come into question, in the calendar's order."""
    patients = PATIENTS if wanted.patient is None else (wanted.patient,)
    modes = MODES if wanted.mode is None else (wanted.mode,)
    if wanted.visit_reason is None:
        return tuple(
            each
            for each in calendar.visit_types
            if not set(patients).isdisjoint(each.patients) and not set(modes).isdisjoint(each.modes)
        )
    chosen = [visit_type_for(calendar, wanted.visit_reason, patient, mode) for patient in patients for mode in modes]
    return tuple(each for each in calendar.visit_types if each in chosen)


def offer_of(visit_types: Sequence[VisitType], wanted: Wanted) -> Offer:
    """What these visit types make together, at a time at which all fit."""
    return Offer(
        min(each.minutes for each in visit_types),
        tuple(m for m in MODES if wanted.mode in (None, m) and any(m in each.modes for each in visit_types)),
        tuple(p for p in PATIENTS if wanted.patient in (None, p) and any(p in each.patients for each in visit_types)),
    )


class Bounds(NamedTuple):
    """Minutes from which on and before which a time may begin."""

    first: int
    before: int


def bounds(calendar: Calendar, now: float) -> Bounds:
    """What notice and horizon leave at a moment (unix seconds)."""
    earliest = math.ceil(now / 60) + calendar.minimum_notice
    return Bounds(earliest, _horizon(calendar.time_zone, calendar.horizon_days, int(now) // 60))


@lru_cache(maxsize=1024)
def _horizon(zone: str, days: int, minute: int) -> int:
    return day_begins(zone, local_day(zone, minute) + timedelta(days))


def segments_from(numbers: Sequence[int]) -> list[Segment]:
    """The segments of a column of the table of slots."""
    return [Segment(*numbers[at : at + 3]) for at in range(0, len(numbers), 3)]


class Run(NamedTuple):
    """Times at which the same visit types fit, each by its bit (the first is 1)."""

    starts: range
    mask: int


class _Need(NamedTuple):
    """What a visit type asks of the time around its start: minutes free before, and open and free from it on."""

    bit: int
    before: int
    open: int
    after: int


class _Needs(NamedTuple):
    """Those of all visit types, and the most and the least that any of them asks for."""

    each: tuple[_Need, ...]
    most: _Need
    least: _Need


@lru_cache(maxsize=4096)
def _needs_of(visit_types: tuple[VisitType, ...]) -> _Needs:
    each = tuple(
        _Need(1 << bit, kind.buffer_before, kind.minutes, kind.minutes + kind.buffer_after)
        for bit, kind in enumerate(visit_types)
    )
    every = (1 << len(each)) - 1
    _, *asked = zip(*each, strict=True)
    return _Needs(each, _Need(every, *map(max, asked)), _Need(every, *map(min, asked)))


def free_runs(
    visit_types: Sequence[VisitType], segments: Iterable[Segment], grid: int, occupied: Occupied, within: Bounds
) -> list[Run]:
    """Starts at which a visit type fits, in order.

    Every answer about openings runs this: it goes from gap to gap between what is taken. In the middle of a gap all
    visit types fit; only at its edges, where it may be too narrow for some, each time is looked at.
    """
    found: list[Run] = []
    if not visit_types:
        return found
    needs, most, least = _needs_of(tuple(visit_types))
    every, most_before, most_open, most_after = most
    _, least_before, least_open, least_after = least
    begins, ends = occupied.begins, occupied.ends
    taken = len(begins)
    for first, last, until in segments:
        end = min(last, within.before)
        at = first if within.first <= first else within.first + (first - within.first) % grid
        index = bisect_right(begins, at)
        while at < end:
            begin = ends[index - 1] if index else -FREE
            close = begins[index] if index < taken else FREE
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
                        found += _edge(needs, range(at, middle, grid), begin, close, until)
                    found.append(Run(range(middle, middle_end, grid), every))
                    at = middle_end + (first - middle_end) % grid
                if at < stop:
                    found += _edge(needs, range(at, stop, grid), begin, close, until)
            if index == taken:
                break
            if close > at:
                at = close + (first - close) % grid
            index += 1
            while index < taken and begins[index] <= at:
                index += 1
    return found


def _edge(needs: Sequence[_Need], starts: range, begin: int, close: int, until: int) -> list[Run]:
    """Of times in the gap from `begin` to `close` for which only some visit types may have room."""
    found: list[Run] = []
    for start in starts:
        mask = 0
        for bit, before, open_, after in needs:
            if start - begin >= before and close - start >= after and until - start >= open_:
                mask |= bit
        if mask:
            found.append(Run(range(start, start + 1), mask))
    return found


def chosen_by(mask: int, visit_types: Sequence[VisitType]) -> list[VisitType]:
    """The visit types whose bits are set."""
    return [each for bit, each in enumerate(visit_types) if mask >> bit & 1]


def visit_at(
    calendar: Calendar, segments: Sequence[Segment], start: int, wanted: Wanted, now: float
) -> VisitType | None:
    """The visit type that would be booked at `start`, without regard to what is taken; None where there is none.

    `segments` are those of the start's day; `explanation.reasons` says what the matter is.
    """
    within = bounds(calendar, now)
    segment = slot_in(segments, calendar.grid_minutes, start)
    if segment is None or not within.first <= start < within.before:
        return None
    suitable = (each for each in offered(calendar, wanted) if fits(each, start, segment.until, (FREE, FREE)))
    return next(suitable, None)
