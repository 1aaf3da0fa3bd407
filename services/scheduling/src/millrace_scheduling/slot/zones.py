"""Time zones as stretches of constant offset, from the PyPI package `tzdata` and never from the machine's own files.

Moments are whole minutes since 1970-01-01T00:00Z; a time on the wall is the moment at which a clock in UTC would show
it. Since 1972 all offsets from UTC are whole minutes.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import NamedTuple
from zoneinfo import ZoneInfo

import tzdata

TZDATA_VERSION: str = tzdata.IANA_VERSION
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 # of clocks on the wall
_DAY = 1440
_STEP = 720
"""Minutes between two looks at a zone; no zone goes there and back between them."""


class UnknownZoneError(ValueError):
    """There is no such time zone."""


class Stretch(NamedTuple):
    """From `begins` until before `ends` the wall is ahead of UTC by `offset` minutes."""

    begins: int
    ends: int
    offset: int


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """An IANA time zone. Raises `UnknownZoneError`."""
    *packages, file = name.split("/")
    if not all(part.replace("-", "").replace("_", "").replace("+", "").isalnum() for part in (*packages, file)):
        raise UnknownZoneError(name)
    try:
        with resources.files("tzdata.zoneinfo").joinpath(*packages, file).open("rb") as data:
            return ZoneInfo.from_file(data, key=name)
    except (OSError, ValueError) as error:
        raise UnknownZoneError(name) from error


def minute_of(moment: datetime) -> int:
    """The minute that a moment lies in."""
    return int(moment.timestamp()) // 60


def moment_of(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)


def wall_minute(wall: datetime) -> int:
    """Of a time on the wall, without a zone."""
    return int((wall - _EPOCH).total_seconds()) // 60


def day_begin(day: date) -> int:
    """Midnight of a day on the wall."""
    return (day.toordinal() - EPOCH_ORDINAL) * _DAY


def local_day(name: str, minute: int) -> date:
    """The day on the wall at a moment."""
    return date.fromordinal((minute + offset_at(name, minute)) // _DAY + EPOCH_ORDINAL)


def monday(day: date) -> date:
    """The first day of its week."""
    return day - timedelta(day.weekday())


def offset_at(name: str, minute: int) -> int:
    """By how many minutes the wall is ahead of UTC."""
    return next(stretch.offset for stretch in stretches(name, minute, minute + 1))


def stretches(name: str, begins: int, ends: int) -> Iterator[Stretch]:
    """All that have a part of the given time, in order; the first and the last may reach beyond it."""
    for year in range(_year_of(begins), _year_of(ends - 1) + 1):
        for stretch in _stretches_of_year(name, year):
            if stretch.ends > begins and stretch.begins < ends:
                yield stretch


def _year_of(minute: int) -> int:
    return moment_of(minute).year


@lru_cache(maxsize=4096)
def _stretches_of_year(name: str, year: int) -> tuple[Stretch, ...]:
    tz = zone(name)
    begins, end = day_begin(date(year, 1, 1)), day_begin(date(year + 1, 1, 1))
    found: list[Stretch] = []
    at, offset = begins, _offset(tz, begins)
    while at < end:
        step = min(at + _STEP, end)
        if _offset(tz, step) != offset and (change := _change(tz, at, step, offset)) < end:
            found.append(Stretch(begins, change, offset))
            begins, at, offset = change, change, _offset(tz, change)
        else:
            at = step
    return (*found, Stretch(begins, end, offset))


def _change(tz: ZoneInfo, before: int, after: int, offset: int) -> int:
    """The first minute with another offset than the one that `before` has and `after` hasn't."""
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(tz, middle) == offset:
            before = middle
        else:
            after = middle
    return after


def _offset(tz: ZoneInfo, minute: int) -> int:
    offset = datetime.fromtimestamp(minute * 60, tz).utcoffset() or timedelta(0)
    return int(offset.total_seconds()) // 60
