"""Openings as they go into an answer, rendered from their entries."""

import functools
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, time
from typing import Final

from millrace_readmodel.layout import COUNT_BITS, COUNTED_DAYS, DAYS, OPENINGS
from millrace_readmodel.openings import glimpse
from millrace_readmodel.zones import date_of, day_of, local, zone_info

SHOWN_DAYS: Final = 14
SHOWN_TIMES: Final = 4
TICK: Final = 300
"""Seconds for which a rendering counts: so long may a time be shown that is past."""
UNKNOWN: Final = b"null"
_WIDTH: Final = OPENINGS.itemsize
_COUNT: Final = (1 << COUNT_BITS) - 1
_ALL_COUNTS: Final = (1 << COUNT_BITS * COUNTED_DAYS) - 1
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
    since, zone, counts, firsts = glimpse(entry)
    today, minute = _now(tick, zone)
    if not since or not today - DAYS < since <= today + 1:
        return UNKNOWN
    now = today, minute
    shown = ",".join([_moment(zone, *first) for first in firsts if first >= now][:SHOWN_TIMES])
    return f'{{"from":"{_date(today)}","counts":[{_counts(since, counts, today)}],"first":[{shown}]}}'.encode()


def _counts(since: int, counts: int, today: int) -> str:
    by = COUNT_BITS * (today % COUNTED_DAYS)
    ahead = (counts >> by | counts << (COUNT_BITS * COUNTED_DAYS - by)) & _ALL_COUNTS
    if since <= today <= since + COUNTED_DAYS - SHOWN_DAYS:
        pairs = range(0, COUNT_BITS * SHOWN_DAYS, 2 * COUNT_BITS)
        return ",".join([_PAIRS[ahead >> pair & len(_PAIRS) - 1] for pair in pairs])
    return ",".join(
        str(ahead >> COUNT_BITS * number & _COUNT) if since <= today + number < since + COUNTED_DAYS else "null"
        for number in range(SHOWN_DAYS)
    )


@functools.lru_cache(maxsize=256)
def _now(tick: int, zone: int) -> tuple[int, int]:
    """Day and minute of the day at the place."""
    shown = local(tick * TICK, zone)
    return day_of(shown), 60 * shown.hour + shown.minute


@functools.lru_cache(maxsize=1_024)
def _date(day: int) -> str:
    return str(date_of(day))


@functools.lru_cache(maxsize=65_536)
def _moment(zone: int, day: int, minute: int) -> str:
    """RFC 3339 in quotes; the offset is that of when the place's clock first shows the hour."""
    shown = datetime.combine(date_of(day), time(*divmod(minute, 60)), zone_info(zone))
    return f'"{shown.isoformat()}"'
