"""Why a time is, or isn't, offered."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from millrace_scheduling.availability.model import Wanted, bounds, offered
from millrace_scheduling.calendar.model import Calendar, VisitType
from millrace_scheduling.slot.model import FREE
from millrace_scheduling.slot.windows import blocked, hours_of, is_holiday, merged, without
from millrace_scheduling.slot.zones import local_day


class Reason(StrEnum):
    """What keeps a time from being offered."""

    NO_CALENDAR = "no_calendar"
    PAST = "past"
    NOTICE = "notice"
    HORIZON = "horizon"
    HOLIDAY = "holiday"
    OUTSIDE_HOURS = "outside_hours"
    BLOCKED = "blocked"
    OFF_GRID = "off_grid"
    WRONG_VISIT_TYPE = "wrong_visit_type"
    TOO_SHORT = "too_short"
    BOOKED = "booked"
    HELD = "held"
    BUFFER = "buffer"


TAKEN = frozenset({Reason.BOOKED, Reason.HELD, Reason.BUFFER})
"""Reasons that go away when somebody cancels."""

DETAILS = {
    Reason.NO_CALENDAR: "The provider-location has no calendar here.",
    Reason.PAST: "The time has passed.",
    Reason.NOTICE: "It is nearer than the minimum notice.",
    Reason.HORIZON: "It is further away than the booking horizon.",
    Reason.HOLIDAY: "It is a holiday of the practice.",
    Reason.OUTSIDE_HOURS: "It lies outside of the hours.",
    Reason.BLOCKED: "The practice has blocked it.",
    Reason.OFF_GRID: "Visits begin at other times.",
    Reason.WRONG_VISIT_TYPE: "There is no such visit here: another reason, patient or mode.",
    Reason.TOO_SHORT: "The visit would not end before the hours do, or before a block.",
    Reason.BOOKED: "It is booked.",
    Reason.HELD: "Somebody holds it while booking.",
    Reason.BUFFER: "It is too near to another visit: a buffer lies between.",
}


class Taken(NamedTuple):
    """What occupies a provider's time: the visit itself, and with its buffers. In minutes."""

    held: bool
    begin: int
    end: int
    occupied_begin: int
    occupied_end: int


def reasons(
    calendar: Calendar, start: int, wanted: Wanted, taken: Sequence[Taken], now: float
) -> tuple[VisitType | None, list[Reason]]:
    """All that keeps `start` from being offered, and the visit type it would be; none where it is offered.

    Of several visit types that come into question it is the one with the fewest reasons.
    """
    general = [*_of_time(calendar, start, now), *_of_calendar(calendar, start)]
    types = offered(calendar, wanted)
    if not types:
        return None, [*general, Reason.WRONG_VISIT_TYPE]
    each_of = [(each, [*general, *_of_visit(calendar, each, start, taken)]) for each in types]
    return min(each_of, key=lambda pair: len(pair[1]))


def _of_time(calendar: Calendar, start: int, now: float) -> Iterator[Reason]:
    first, before = bounds(calendar, now)
    if start * 60 < now:
        yield Reason.PAST
    elif start < first:
        yield Reason.NOTICE
    if start >= before:
        yield Reason.HORIZON


def _of_calendar(calendar: Calendar, start: int) -> Iterator[Reason]:
    day = local_day(calendar.time_zone, start)
    hours = hours_of(calendar, day)
    within = [opening for opening in hours if opening[0] <= start < opening[1]]
    if not within:
        yield Reason.HOLIDAY if is_holiday(calendar, day) else Reason.OUTSIDE_HOURS
    elif (start - within[0][0]) % calendar.grid_minutes:
        yield Reason.OFF_GRID
    if any(begin <= start < end for begin, end in blocked(calendar, day, day)):
        yield Reason.BLOCKED


def _of_visit(calendar: Calendar, visit_type: VisitType, start: int, taken: Sequence[Taken]) -> Iterator[Reason]:
    begin, end = start, start + visit_type.minutes
    if end > _open_until(calendar, start):
        yield Reason.TOO_SHORT
    found = set()
    for each in taken:
        if each.begin < end and each.end > begin:
            found.add(Reason.HELD if each.held else Reason.BOOKED)
        elif (
            each.occupied_begin < end + visit_type.buffer_after and each.occupied_end > begin - visit_type.buffer_before
        ):
            found.add(Reason.BUFFER)
    yield from sorted(found)


def _open_until(calendar: Calendar, start: int) -> int:
    """Until when it is open without a break from `start` on; where it isn't open then, that is no question."""
    day = local_day(calendar.time_zone, start)
    tomorrow = day + timedelta(1)
    hours = [*hours_of(calendar, day), *hours_of(calendar, tomorrow)]
    open_time = merged(without(hours, blocked(calendar, day, tomorrow)))
    return next((close for open_, close in open_time if open_ <= start < close), FREE)
