"""Number time zones, days and weeks, and convert moments to local time (pure functions)."""

import functools
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

TIME_ZONES: Final = (
    "UTC",  # also stands for unlisted zones
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Phoenix",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Adak",
    "America/Boise",
    "America/Detroit",
    "America/Indiana/Indianapolis",
    "America/Indiana/Knox",
    "America/Indiana/Marengo",
    "America/Indiana/Petersburg",
    "America/Indiana/Tell_City",
    "America/Indiana/Vevay",
    "America/Indiana/Vincennes",
    "America/Indiana/Winamac",
    "America/Juneau",
    "America/Kentucky/Louisville",
    "America/Kentucky/Monticello",
    "America/Menominee",
    "America/Metlakatla",
    "America/Nome",
    "America/North_Dakota/Beulah",
    "America/North_Dakota/Center",
    "America/North_Dakota/New_Salem",
    "America/Puerto_Rico",
    "America/Sitka",
    "America/St_Thomas",
    "America/Yakutat",
    "Pacific/Chuuk",
    "Pacific/Guam",
    "Pacific/Kosrae",
    "Pacific/Kwajalein",
    "Pacific/Majuro",
    "Pacific/Pago_Pago",
    "Pacific/Palau",
    "Pacific/Pohnpei",
    "Pacific/Saipan",
)
"""The index of a zone is its number in openings and cards, so only append to this list."""
_NUMBERS: Final = {name: number for number, name in enumerate(TIME_ZONES)}
EPOCH: Final = date(1970, 1, 1)
DAYS_TO_THURSDAY: Final = 3
"""Days from Monday to 1970-01-01, a Thursday: ISO weeks begin on Mondays."""


def zone_number(name: str) -> int:
    """Return the number of a time zone given by IANA name; 0 (UTC) for a zone that is not listed."""
    return _NUMBERS.get(name, 0)


@functools.cache  # zoneinfo caches only eight
def zone_info(zone: int) -> ZoneInfo:
    """Return the time zone with this number."""
    return ZoneInfo(TIME_ZONES[zone])


def local_time(unix: float, zone: int) -> datetime:
    """Convert Unix seconds to the local time of the zone with this number."""
    return datetime.fromtimestamp(unix, zone_info(zone))


def day_number(moment: date) -> int:
    """Return a local date as the number of days since 1970-01-01."""
    return moment.toordinal() - EPOCH.toordinal()


def date_from_day(day: int) -> date:
    """Convert a number of days since 1970-01-01 to a date."""
    return EPOCH + timedelta(days=day)


def week_of_day(day: int) -> int:
    """Return the number of the ISO week that contains a day; the week of 1970-01-01 is number 0."""
    return (day + DAYS_TO_THURSDAY) // 7


def first_day_of_week(week: int) -> int:
    """Return the day number (days since 1970-01-01) of a week's Monday."""
    return 7 * week - DAYS_TO_THURSDAY


@functools.lru_cache(maxsize=4_096)
def week_number(text: str) -> int:
    """Convert an ISO week such as `2026-W48` to its number; raise `ValueError` for other text."""
    year, separator, number = text.partition("-W")
    if not separator or len(year) != 4 or len(number) != 2:
        raise ValueError(f"week: {text!r} is not an ISO week such as 2026-W48")
    return week_of_day(day_number(date.fromisocalendar(int(year), int(number), 1)))


@functools.lru_cache(maxsize=262_144)  # the locations of a zone share a grid of times
def day_and_minute(start: str, zone: int) -> tuple[int, int, int]:
    """Convert RFC 3339 text to (local day, minute of the day, fold); fold is 1 in an hour repeated by a clock change.

    Raises `ValueError` for an invalid moment or a missing offset.
    """
    moment = datetime.fromisoformat(start)
    if moment.tzinfo is None:
        raise ValueError(f"start: {start!r} has no offset")
    shown = moment.astimezone(zone_info(zone))
    return day_number(shown), 60 * shown.hour + shown.minute, shown.fold
