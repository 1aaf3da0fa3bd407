"""Compute the slots of a calendar day by day, and check whether a visit fits between occupied times. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from millrace_scheduling.calendar.model import Calendar
from millrace_scheduling.calendar.windows import Window, expand_blocks, expand_hours, merge_windows, subtract_windows

UNLIMITED = 1 << 40
"""Minutes of free time before or after a start if no occupied time limits it."""


class Segment(NamedTuple):
    """Equidistant slots: one every `grid_minutes` of the calendar from `first` until before `end`.

    The practice is open without a break from `first` to `until`, so the calendar's shortest visit fits at every slot.
    All values are minutes since the epoch (1970-01-01T00:00Z).
    """

    first: int
    end: int
    until: int


def compute_segments(calendar: Calendar, day: date) -> list[Segment]:
    """Return the slots that begin on a day in the calendar's time zone, as segments of equally spaced starts, in
    order.
    """
    hours = expand_hours(calendar, day)
    if not hours:
        return []
    tomorrow = day + timedelta(1)
    blocks = expand_blocks(calendar, day, tomorrow)
    # A visit ends by the end of the next day at the latest.
    open_time = merge_windows(subtract_windows([*hours, *expand_hours(calendar, tomorrow)], blocks))
    return [
        segment
        for opening in hours
        for part in subtract_windows([opening], blocks)
        if (segment := _segment(calendar, opening[0], part, open_time)) is not None
    ]


def _segment(calendar: Calendar, anchor: int, part: Window, open_time: Sequence[Window]) -> Segment | None:
    # The grid counts from the opening, so that a block doesn't shift the slots after it.
    begin, end = part
    first = begin + (anchor - begin) % calendar.grid_minutes
    until = next(close for open_, close in open_time if open_ <= begin < close)
    end = min(end, until - calendar.shortest_visit + 1)
    return Segment(first, end, until) if first < end else None


class OccupiedTime:
    """The reserved time of a provider with its buffers, as sorted lists of begins and ends in minutes.

    The times never overlap: a constraint of the database ensures that.
    """

    __slots__ = ("begins", "ends")

    def __init__(self, windows: Iterable[Window]) -> None:
        ordered = sorted(windows)
        self.begins = [begin for begin, _ in ordered]
        self.ends = [end for _, end in ordered]
