"""Time zones as periods of constant offset, from the PyPI package `tzdata` instead of the machine's files. Pure.

Moments are whole minutes since 1970-01-01T00:00Z. Local times are whole minutes since 1970-01-01T00:00 on the local
clock. Since 1972 all offsets from UTC are whole minutes.
"""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import NamedTuple
from zoneinfo import ZoneInfo

import tzdata

TZDATA_VERSION: str = tzdata.IANA_VERSION
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 # local time
_DAY = 1440
_STEP = 720
"""Step of the search for offset changes, in minutes. No time zone changes its offset twice within it."""


class UnknownTimeZoneError(ValueError):
    """The name isn't that of an IANA time zone."""


class OffsetPeriod(NamedTuple):
    """Local time is ahead of UTC by `offset` minutes from `begins` until before `ends`."""

    begins: int
    ends: int
    offset: int


@lru_cache(maxsize=1024)
def get_zone(name: str) -> ZoneInfo:
    """Return an IANA time zone. Raises `UnknownTimeZoneError`."""
    *packages, file = name.split("/")
    if not all(part.replace("-", "").replace("_", "").replace("+", "").isalnum() for part in (*packages, file)):
        raise UnknownTimeZoneError(name)
    try:
        with resources.files("tzdata.zoneinfo").joinpath(*packages, file).open("rb") as data:
            return ZoneInfo.from_file(data, key=name)
    except (OSError, ValueError) as error:
        raise UnknownTimeZoneError(name) from error


def to_minute(moment: datetime) -> int:
    """Return the minute, counted from the epoch, that contains a moment."""
    return int(moment.timestamp()) // 60


def from_minute(minute: int) -> datetime:
    """Return the moment at which a minute begins, in UTC."""
    return datetime.fromtimestamp(minute * 60, UTC)


def local_to_minute(local: datetime) -> int:
    """Return a local time, given as a naive datetime, in minutes since 1970-01-01T00:00 local time."""
    return int((local - _EPOCH).total_seconds()) // 60


def local_midnight(day: date) -> int:
    """Return the midnight at which a local day begins, as a local time in minutes."""
    return (day.toordinal() - EPOCH_ORDINAL) * _DAY


def local_day(name: str, minute: int) -> date:
    """Return the local day at a moment."""
    return date.fromordinal((minute + offset_at(name, minute)) // _DAY + EPOCH_ORDINAL)


def week_start(day: date) -> date:
    """Return the Monday of the week that contains a day."""
    return day - timedelta(day.weekday())


def offset_at(name: str, minute: int) -> int:
    """Return by how many minutes local time is ahead of UTC at a moment."""
    return next(period.offset for period in offset_periods(name, minute, minute + 1))


def offset_periods(name: str, begins: int, ends: int) -> Iterator[OffsetPeriod]:
    """Yield the periods that overlap the time from `begins` to `ends`; the first and the last may extend beyond it."""
    for year in range(from_minute(begins).year, from_minute(ends - 1).year + 1):
        for period in _periods_of_year(name, year):
            if period.ends > begins and period.begins < ends:
                yield period


@lru_cache(maxsize=4096)
def _periods_of_year(name: str, year: int) -> tuple[OffsetPeriod, ...]:
    tz = get_zone(name)
    begins, end = local_midnight(date(year, 1, 1)), local_midnight(date(year + 1, 1, 1))
    periods: list[OffsetPeriod] = []
    at, offset = begins, _offset(tz, begins)
    while at < end:
        step = min(at + _STEP, end)
        if _offset(tz, step) != offset and (change := _find_change(tz, at, step, offset)) < end:
            periods.append(OffsetPeriod(begins, change, offset))
            begins, at, offset = change, change, _offset(tz, change)
        else:
            at = step
    return (*periods, OffsetPeriod(begins, end, offset))


def _find_change(tz: ZoneInfo, before: int, after: int, offset: int) -> int:
    """Return the first minute after `before` whose offset isn't `offset`; that of `after` isn't."""
    minutes = range(before + 1, after + 1)
    return minutes[bisect_left(minutes, True, key=lambda minute: _offset(tz, minute) != offset)]


def _offset(tz: ZoneInfo, minute: int) -> int:
    offset = datetime.fromtimestamp(minute * 60, tz).utcoffset() or timedelta(0)
    return int(offset.total_seconds()) // 60
