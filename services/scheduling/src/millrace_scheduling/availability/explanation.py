"""Explain why a time isn't offered. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Self

from millrace_scheduling.availability.model import Timetable, find_bookable_visit_type, start_bounds
from millrace_scheduling.availability.visit_types import VisitCriteria, matching_visit_types
from millrace_scheduling.calendar.model import Calendar, VisitType
from millrace_scheduling.calendar.slots import UNLIMITED, OccupiedTime
from millrace_scheduling.calendar.windows import (
    expand_blocks,
    expand_hours,
    is_holiday,
    merge_windows,
    subtract_windows,
)
from millrace_scheduling.zones import local_day, to_minute


class Reason(StrEnum):
    """A reason why a time isn't offered."""

    detail: str
    """A sentence for users."""

    def __new__(cls, code: str, detail: str) -> Self:
        reason = str.__new__(cls, code)
        reason._value_ = code
        reason.detail = detail
        return reason

    NO_CALENDAR = "no_calendar", "The provider-location has no calendar."
    PAST = "past", "The time has passed."
    NOTICE = "notice", "The time is closer than the minimum notice."
    HORIZON = "horizon", "The time is beyond the booking horizon."
    HOLIDAY = "holiday", "The day is a holiday of the practice."
    OUTSIDE_HOURS = "outside_hours", "The time is outside of opening hours."
    BLOCKED = "blocked", "The practice has blocked the time."
    OFF_GRID = "off_grid", "Visits don't begin at this time."
    WRONG_VISIT_TYPE = "wrong_visit_type", "No visit type matches the reason, the kind of patient and the mode."
    TOO_SHORT = "too_short", "The visit wouldn't end before closing time or before a block."
    BOOKED = "booked", "The time is booked."
    HELD = "held", "Another patient is booking the time right now."
    BUFFER = "buffer", "The time is within the buffer of another visit."


class ReservedTime(NamedTuple):
    """A reservation of the provider, in minutes since the epoch: the visit, and the occupied time with its buffers."""

    is_hold: bool
    begin: int
    end: int
    occupied_begin: int
    occupied_end: int


def explain_start(
    timetable: Timetable, start: datetime, criteria: VisitCriteria, reserved: Sequence[ReservedTime], now: float
) -> tuple[VisitType | None, list[Reason]]:
    """Return a visit type that matches the criteria (or None), and all reasons why it can't be booked at `start`.

    The list is empty if the start can be booked, as `find_bookable_visit_type` decides; the visit type is then the one
    to be booked. Else it is the one with the fewest reasons.
    """
    occupied = OccupiedTime((each.occupied_begin, each.occupied_end) for each in reserved)
    visit_type = find_bookable_visit_type(timetable, occupied, criteria, start, now)
    if visit_type is not None:
        return visit_type, []
    calendar, minute = timetable.calendar, to_minute(start)
    if calendar is None:
        return None, [Reason.NO_CALENDAR]
    common = [*_time_reasons(calendar, minute, now), *_calendar_reasons(calendar, minute)]
    if (start.second or start.microsecond) and Reason.OFF_GRID not in common:
        common.append(Reason.OFF_GRID)
    visit_types = matching_visit_types(calendar.visit_types, criteria)
    if not visit_types:
        return None, [*common, Reason.WRONG_VISIT_TYPE]
    explained = [(each, [*common, *_visit_reasons(calendar, each, minute, reserved)]) for each in visit_types]
    visit_type, reasons = min(explained, key=lambda pair: len(pair[1]))
    # Slots are extended once a day; until then the calendar's last days can't be booked.
    return visit_type, reasons or [Reason.HORIZON]


def _time_reasons(calendar: Calendar, start: int, now: float) -> Iterator[Reason]:
    first, before = start_bounds(calendar, now)
    if start * 60 < now:
        yield Reason.PAST
    elif start < first:
        yield Reason.NOTICE
    if start >= before:
        yield Reason.HORIZON


def _calendar_reasons(calendar: Calendar, start: int) -> Iterator[Reason]:
    day = local_day(calendar.time_zone, start)
    within = [opening for opening in expand_hours(calendar, day) if opening[0] <= start < opening[1]]
    if not within:
        yield Reason.HOLIDAY if is_holiday(calendar, day) else Reason.OUTSIDE_HOURS
    elif (start - within[0][0]) % calendar.grid_minutes:
        yield Reason.OFF_GRID
    if any(begin <= start < end for begin, end in expand_blocks(calendar, day, day)):
        yield Reason.BLOCKED


def _visit_reasons(
    calendar: Calendar, visit_type: VisitType, start: int, reserved: Sequence[ReservedTime]
) -> Iterator[Reason]:
    begin, end = start, start + visit_type.minutes
    if end > _open_until(calendar, start):
        yield Reason.TOO_SHORT
    conflicts = set()
    for each in reserved:
        if each.begin < end and each.end > begin:
            conflicts.add(Reason.HELD if each.is_hold else Reason.BOOKED)
        elif (
            each.occupied_begin < end + visit_type.buffer_after and each.occupied_end > begin - visit_type.buffer_before
        ):
            conflicts.add(Reason.BUFFER)
    yield from sorted(conflicts)


def _open_until(calendar: Calendar, start: int) -> int:
    """Return the minute until which the practice is open without a break; `UNLIMITED` if it is closed at `start`."""
    day = local_day(calendar.time_zone, start)
    tomorrow = day + timedelta(1)
    hours = [*expand_hours(calendar, day), *expand_hours(calendar, tomorrow)]
    open_time = merge_windows(subtract_windows(hours, expand_blocks(calendar, day, tomorrow)))
    return next((close for open_, close in open_time if open_ <= start < close), UNLIMITED)
