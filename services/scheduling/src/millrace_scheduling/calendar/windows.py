"""Convert the local opening hours of a calendar and its blocked times to windows of time. Pure.

A moment is open if the local time at that moment is within the hours and not blocked: local times that a time zone
skips don't exist, and local times that it repeats are open twice. A window is (begin, end) in minutes since the epoch.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import TypeAlias

from millrace_scheduling.calendar.holidays import federal_holidays
from millrace_scheduling.calendar.model import MINUTES_PER_DAY, Calendar
from millrace_scheduling.zones import local_midnight, local_to_minute, offset_periods

Window: TypeAlias = tuple[int, int]
_MAX_OFFSET = 1440
"""More minutes than the UTC offset of any time zone."""


def utc_windows(zone: str, begins: int, ends: int) -> list[Window]:
    """Return the windows in which the local time of a zone is from `begins` (included) to `ends` (excluded)."""
    windows = [
        (max(begins - period.offset, period.begins), min(ends - period.offset, period.ends))
        for period in offset_periods(zone, begins - _MAX_OFFSET, ends + _MAX_OFFSET)
    ]
    return merge_windows(window for window in windows if window[0] < window[1])


def merge_windows(windows: Iterable[Window]) -> list[Window]:
    """Return the windows in order, with overlapping and adjacent ones joined."""
    result: list[Window] = []
    for begin, end in sorted(windows):
        if result and begin <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((begin, end))
    return result


def subtract_windows(windows: Iterable[Window], subtracted: list[Window]) -> Iterator[Window]:
    """Yield the parts of `windows` that are outside of `subtracted`, which must be merged."""
    for window_begin, window_end in windows:
        begin = window_begin
        for cut_begin, cut_end in subtracted:
            if cut_end <= begin or cut_begin >= window_end:
                continue
            if begin < cut_begin:
                yield begin, cut_begin
            begin = cut_end
        if begin < window_end:
            yield begin, window_end


def expand_hours(calendar: Calendar, day: date) -> list[Window]:
    """Return the windows of the weekly and the extra hours of a local day. Blocks aren't subtracted."""
    midnight = local_midnight(day)
    hours = [(each.opens, each.closes) for each in calendar.extra_hours if each.day == day]
    if not is_holiday(calendar, day):
        weekday = day.isoweekday()
        hours += [(each.opens, each.closes) for each in calendar.weekly_hours if each.weekday == weekday]
    zone = calendar.time_zone
    return merge_windows(
        window for opens, closes in hours for window in utc_windows(zone, midnight + opens, midnight + closes)
    )


def is_holiday(calendar: Calendar, day: date) -> bool:
    """Return whether the weekly hours don't apply on a local day."""
    return day in calendar.holiday_set or (calendar.federal_holidays and day in federal_holidays(day.year))


def expand_blocks(calendar: Calendar, first: date, last: date) -> list[Window]:
    """Return the windows of all blocks that overlap the local days from `first` to `last`."""
    begin, end = local_midnight(first), local_midnight(last + timedelta(1))
    windows: list[Window] = []
    for block in calendar.blocks:
        begins, ends = local_to_minute(block.begins), local_to_minute(block.ends)
        if begins < end and ends > begin:
            # Only the part around these days: a block may last for years.
            windows += utc_windows(calendar.time_zone, max(begins, begin - 2880), min(ends, end + 2880))
    return merge_windows(windows)


@lru_cache(maxsize=65_536)
def start_of_day(zone: str, day: date) -> int:
    """Return the first minute of a local day; if the time zone skips the day, the first minute of the next one."""
    midnight = local_midnight(day)
    windows = utc_windows(zone, midnight, midnight + MINUTES_PER_DAY)
    return windows[0][0] if windows else start_of_day(zone, day + timedelta(1))
