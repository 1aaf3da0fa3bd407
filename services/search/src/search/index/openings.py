"""Openings as they go into an answer, rendered from their entries."""

import functools
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from millrace_readmodel.layout import COUNT_BITS, COUNTED_DAYS, DAYS, OPENINGS
from millrace_readmodel.openings import Entry, unpacked
from millrace_readmodel.zones import TIME_ZONES, date_of, day_of, local

SHOWN_DAYS: Final = 14
SHOWN_TIMES: Final = 4
TICK: Final = 300
"""Seconds for which a rendering counts: so long may a time be shown that is past."""
UNKNOWN: Final = b"null"
_WIDTH: Final = OPENINGS.itemsize
_COUNT: Final = (1 << COUNT_BITS) - 1
_ALL_COUNTS: Final = (1 << COUNT_BITS * COUNTED_DAYS) - 1
_TIMES: Final = tuple(f"T{minute // 60:02d}:{minute % 60:02d}:00" for minute in range(24 * 60))
_PAIRS: Final = tuple(f"{pair & _COUNT},{pair >> COUNT_BITS}" for pair in range(1 << 2 * COUNT_BITS))
"""Two counts as text, by their bits."""


def place_of(row: int, ends: Sequence[int]) -> tuple[int, int]:
    """In which partition of an area a row lies, and at which place. `ends` says where the rows of each one end."""
    part = bisect_right(ends, row)
    return part, row - (ends[part - 1] if part else 0)


def entry_at(column: bytes, place: int) -> bytes:
    """The entry of the row at this place, from the openings of its partition; empty where it has none."""
    return column[place * _WIDTH : (place + 1) * _WIDTH]


def belongs(entry: bytes, row: int) -> bool:
    """Whether the entry is that of the row, or says nothing."""
    return not entry or entry[:2] == (row & 0xFFFF).to_bytes(2, "little") or entry[2:4] == b"\0\0"


@functools.lru_cache(maxsize=65_536)
def rendered(entry: bytes, tick: int) -> bytes:
    """The JSON of an entry at a moment (`TICK` seconds each): counts from the place's today on, and first times.

    null where nothing is known. Counts are null for days of which the entry has none.
    """
    if not entry:
        return UNKNOWN
    found = unpacked(entry)
    moment = local(tick * TICK, found.zone)
    today = day_of(moment)
    if not found.since or not today - DAYS < found.since <= today + 1:
        return UNKNOWN
    times = [
        f'"{date_of(day)}{_TIMES[minute]}{_offset(found.zone, day, minute // 60)}"'
        for day, minute in found.firsts
        if (day, minute) >= (today, 60 * moment.hour + moment.minute)
    ]
    return (
        f'{{"from":"{date_of(today)}","counts":[{_counts(found, today)}],"first":[{",".join(times[:SHOWN_TIMES])}]}}'
    ).encode()


def _counts(entry: Entry, today: int) -> str:
    known = min(SHOWN_DAYS, max(0, entry.since + COUNTED_DAYS - today))
    by = COUNT_BITS * (today % COUNTED_DAYS)
    counts = (entry.counts >> by | entry.counts << (COUNT_BITS * COUNTED_DAYS - by)) & _ALL_COUNTS
    if known == SHOWN_DAYS and entry.since <= today:
        return ",".join([_PAIRS[counts >> 2 * COUNT_BITS * pair & len(_PAIRS) - 1] for pair in range(SHOWN_DAYS // 2)])
    days = range(today, today + SHOWN_DAYS)
    return ",".join(
        str(counts >> COUNT_BITS * ahead & _COUNT) if entry.since <= day and ahead < known else "null"
        for ahead, day in enumerate(days)
    )


@functools.lru_cache(maxsize=65_536)
def _offset(zone: int, day: int, hour: int) -> str:
    """From UTC, as RFC 3339 has it, when the place's clock first shows that hour."""
    shown = datetime.combine(date_of(day), time(hour), ZoneInfo(TIME_ZONES[zone]))
    return shown.isoformat()[-6:]
