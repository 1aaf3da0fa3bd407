"""The grid of slots that a calendar makes, day by day, and what of it fits beside what is taken."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from millrace_scheduling.calendar.model import Calendar, VisitType
from millrace_scheduling.slot.windows import Window, blocked, hours_of, merged, without

FREE = 1 << 40
"""Minutes of room where nothing is near."""


class Segment(NamedTuple):
    """Slots in a row: from `first`, every `grid_minutes`, before `end`; it is open without a break to `until`.

    In minutes, see `scheduling.slot.zones`. The shortest visit of the calendar fits at every slot.
    """

    first: int
    end: int
    until: int


def segments_of(calendar: Calendar, day: date) -> list[Segment]:
    """The slots that begin on a day of the calendar's zone. They depend on nothing but the calendar and the day."""
    hours = hours_of(calendar, day)
    if not hours:
        return []
    tomorrow = day + timedelta(1)
    taken = blocked(calendar, day, tomorrow)
    # No visit lasts longer than to the end of the next day.
    open_time = merged(without([*hours, *hours_of(calendar, tomorrow)], taken))
    return [
        segment
        for opening in hours
        for part in without([opening], taken)
        if (segment := _segment(calendar, opening[0], part, open_time)) is not None
    ]


def _segment(calendar: Calendar, anchor: int, part: Window, open_time: Sequence[Window]) -> Segment | None:
    """The grid counts from `anchor`, so that a block doesn't shift the times behind it."""
    begin, end = part
    first = begin + (anchor - begin) % calendar.grid_minutes
    until = next(close for open_, close in open_time if open_ <= begin < close)
    end = min(end, until - calendar.shortest + 1)
    return Segment(first, end, until) if first < end else None


def slot_in(segments: Iterable[Segment], grid: int, start: int) -> Segment | None:
    """The segment that has a slot at `start`."""
    for segment in segments:
        if segment.first <= start < segment.end and (start - segment.first) % grid == 0:
            return segment
    return None


class Occupied:
    """Time of a provider that is taken, buffers included. No two of `windows` overlap: the database holds that."""

    __slots__ = ("begins", "ends")

    def __init__(self, windows: Iterable[Window]) -> None:
        ordered = sorted(windows)
        self.begins = [begin for begin, _ in ordered]
        self.ends = [end for _, end in ordered]


def fits(visit_type: VisitType, start: int, until: int, room: Window) -> bool:
    """Whether such a visit can begin at a slot that is open to `until`, with so much room around it."""
    before, after = room
    return (
        start + visit_type.minutes <= until
        and visit_type.buffer_before <= before
        and visit_type.minutes + visit_type.buffer_after <= after
    )
