"""Render openings entries as JSON for responses."""

import functools
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, time
from typing import Final

from millrace_readmodel.layout import COUNT_BITS, COUNTED_DAYS, DAYS, OPENINGS
from millrace_readmodel.openings import unpack_summary
from millrace_readmodel.zones import date_from_day, day_number, local_time, zone_info

SHOWN_DAYS: Final = 14
SHOWN_TIMES: Final = 4
TICK_SECONDS: Final = 300
"""Seconds for which rendered openings are reused, so a time may be shown up to this long after it has passed."""
UNKNOWN: Final = b"null"
_WIDTH: Final = OPENINGS.itemsize
_COUNT: Final = (1 << COUNT_BITS) - 1
_ALL_COUNTS: Final = (1 << COUNT_BITS * COUNTED_DAYS) - 1
_PAIRS: Final = tuple(f"{pair & _COUNT},{pair >> COUNT_BITS}" for pair in range(1 << 2 * COUNT_BITS))
"""JSON texts of two consecutive counts, indexed by their bits."""


def locate_row(row: int, ends: Sequence[int]) -> tuple[int, int]:
    """Return the index of the partition that contains a row of an area, and the row's index in the partition.

    `ends` contains for each partition the index in the area after its last row.
    """
    part = bisect_right(ends, row)
    return part, row - (ends[part - 1] if part else 0)


def entry_at(column: bytes, index: int) -> bytes:
    """Return the openings entry at this index of a partition's openings; empty bytes beyond their end."""
    return column[index * _WIDTH : (index + 1) * _WIDTH]


def belongs_to_row(entry: bytes, row: int) -> bool:
    """Return whether the openings entry belongs to the row with this id or is empty (openings unknown)."""
    return not entry or entry[:2] == (row & 0xFFFF).to_bytes(2, "little") or entry[2:4] == b"\0\0"


@functools.lru_cache(maxsize=65_536)
def render_openings(entry: bytes, tick: int) -> bytes:
    """Return the openings of an entry as JSON at a moment (in units of `TICK_SECONDS`): daily counts and first times.

    Returns null for unknown openings; counts are null for days that the entry doesn't cover.
    """
    if not entry:
        return UNKNOWN
    since, zone, counts, firsts = unpack_summary(entry)
    today, minute = _now(tick, zone)
    if not since or not today - DAYS < since <= today + 1:
        return UNKNOWN
    now = today, minute
    shown = ",".join([_rfc3339(zone, *first) for first in firsts if first >= now][:SHOWN_TIMES])
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
    """Return the local day and minute of the day."""
    shown = local_time(tick * TICK_SECONDS, zone)
    return day_number(shown), 60 * shown.hour + shown.minute


@functools.lru_cache(maxsize=1_024)
def _date(day: int) -> str:
    return str(date_from_day(day))


@functools.lru_cache(maxsize=65_536)
def _rfc3339(zone: int, day: int, minute: int) -> str:
    """Return a local time as RFC 3339 in quotes; in a repeated hour with the first offset."""
    shown = datetime.combine(date_from_day(day), time(*divmod(minute, 60)), zone_info(zone))
    return f'"{shown.isoformat()}"'
