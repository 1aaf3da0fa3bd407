"""Which of a calendar's slots can be booked, and for what."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from millrace_contracts.entities import Mode, PatientKind
from scheduling.calendar.model import Calendar, VisitType, visit_type_for
from scheduling.slot.model import FREE, Occupied, Segment, fits, slot_in
from scheduling.slot.windows import day_begins
from scheduling.slot.zones import local_day

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
    today = local_day(calendar.time_zone, int(now) // 60)
    return Bounds(earliest, day_begins(calendar.time_zone, today + timedelta(calendar.horizon_days)))


def segments_from(numbers: Sequence[int]) -> list[Segment]:
    """The segments of a column of the table of slots."""
    return [Segment(*numbers[at : at + 3]) for at in range(0, len(numbers), 3)]


def free_times(
    visit_types: Sequence[VisitType], segments: Sequence[Segment], grid: int, occupied: Occupied, within: Bounds
) -> list[tuple[int, int]]:
    """Starts at which a visit type fits, in order, each with a bit for every type that does (the first is 1).

    This is the loop that every answer about openings runs; it makes nothing beyond its result.
    """
    found: list[tuple[int, int]] = []
    if not visit_types:
        return found
    every = (1 << len(visit_types)) - 1
    ample_before = max(each.buffer_before for each in visit_types)
    ample_open = max(each.minutes for each in visit_types)
    ample_after = max(each.minutes + each.buffer_after for each in visit_types)
    begins, ends = occupied.begins, occupied.ends
    taken = len(begins)
    for first, end, until in segments:
        skipped = max(0, -((first - within.first) // grid)) if first < within.first else 0
        start_at = first + skipped * grid
        index = bisect_right(begins, start_at)
        for start in range(start_at, min(end, within.before), grid):
            while index < taken and begins[index] <= start:
                index += 1
            before = start - ends[index - 1] if index else FREE
            after = begins[index] - start if index < taken else FREE
            if before >= ample_before and after >= ample_after and until - start >= ample_open:
                found.append((start, every))
            elif before >= 0 and (mask := _mask(visit_types, start, until, (before, after))):
                found.append((start, mask))
    return found


def _mask(visit_types: Sequence[VisitType], start: int, until: int, room: tuple[int, int]) -> int:
    return sum(1 << bit for bit, each in enumerate(visit_types) if fits(each, start, until, room))


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
