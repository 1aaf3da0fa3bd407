"""From hours on the wall to stretches of time.

A moment is open when the clock on the wall shows a time within the hours. So what a gap leaves out doesn't exist, and
what an overlap shows twice is open twice, each moment once. A window is (begin, end) in minutes, see `zones`.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import TypeAlias

from millrace_scheduling.calendar.holidays import federal_holidays
from millrace_scheduling.calendar.model import DAY, Calendar
from millrace_scheduling.slot.zones import day_begin, stretches, wall_minute

Window: TypeAlias = tuple[int, int]
_FURTHEST = 1440
"""More minutes than any zone is away from UTC."""


def windows_on_wall(zone: str, begins: int, ends: int) -> list[Window]:
    """The time in which the wall shows something from `begins` until before `ends`."""
    found = [
        (max(begins - each.offset, each.begins), min(ends - each.offset, each.ends))
        for each in stretches(zone, begins - _FURTHEST, ends + _FURTHEST)
    ]
    return merged(window for window in found if window[0] < window[1])


def merged(windows: Iterable[Window]) -> list[Window]:
    """The same time in order, without overlaps; what touches is one."""
    result: list[Window] = []
    for begin, end in sorted(windows):
        if result and begin <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((begin, end))
    return result


def without(windows: Iterable[Window], taken: list[Window]) -> Iterator[Window]:
    """The parts of the windows that lie outside of `taken`, which is merged."""
    for window_begin, window_end in windows:
        begin = window_begin
        for taken_begin, taken_end in taken:
            if taken_end <= begin or taken_begin >= window_end:
                continue
            if begin < taken_begin:
                yield begin, taken_begin
            begin = taken_end
        if begin < window_end:
            yield begin, window_end


def hours_of(calendar: Calendar, day: date) -> list[Window]:
    """The hours of a day on the wall, blocks and all."""
    midnight = day_begin(day)
    hours = [(each.opens, each.closes) for each in calendar.extra_hours if each.day == day]
    if not is_holiday(calendar, day):
        weekday = day.isoweekday()
        hours += [(each.opens, each.closes) for each in calendar.weekly_hours if each.weekday == weekday]
    zone = calendar.time_zone
    return merged(
        window for opens, closes in hours for window in windows_on_wall(zone, midnight + opens, midnight + closes)
    )


def is_holiday(calendar: Calendar, day: date) -> bool:
    """Whether the weekly hours don't hold."""
    return day in calendar.closed or (calendar.federal_holidays and day in federal_holidays(day.year))


def blocked(calendar: Calendar, first: date, last: date) -> list[Window]:
    """The time of all blocks that have a part of these days."""
    begin, end = day_begin(first), day_begin(last + timedelta(1))
    found: list[Window] = []
    for block in calendar.blocks:
        begins, ends = wall_minute(block.begins), wall_minute(block.ends)
        if begins < end and ends > begin:
            # Only the part in question: a block may last for years.
            found += windows_on_wall(calendar.time_zone, max(begins, begin - 2880), min(ends, end + 2880))
    return merged(found)


@lru_cache(maxsize=65_536)
def day_begins(zone: str, day: date) -> int:
    """The first minute of a day, or of what comes in its place where a zone left it out."""
    midnight = day_begin(day)
    found = windows_on_wall(zone, midnight, midnight + DAY)
    return found[0][0] if found else day_begins(zone, day + timedelta(1))
