"""Time zones by number, and the days and hours that a place's clock shows. Pure."""

import functools
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

TIME_ZONES: Final = (
    "UTC",  # stands for all zones that are not listed
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
"""By the number that stands in openings and cards: to be added to at the end only."""
_NUMBERS: Final = {name: number for number, name in enumerate(TIME_ZONES)}
EPOCH: Final = date(1970, 1, 1)
DAYS_TO_THURSDAY: Final = 3
"""1970-01-01 was a Thursday; weeks begin on Mondays."""


def zone_number(name: str) -> int:
    """0 for one that isn't listed: its places are kept in UTC."""
    return _NUMBERS.get(name, 0)


@functools.cache  # zoneinfo itself keeps but eight
def zone_info(zone: int) -> ZoneInfo:
    """The rules of a zone by its number."""
    return ZoneInfo(TIME_ZONES[zone])


def local(unix: float, zone: int) -> datetime:
    """The moment by the clock of a zone."""
    return datetime.fromtimestamp(unix, zone_info(zone))


def day_of(moment: date) -> int:
    """Days since 1970-01-01 of a local date."""
    return moment.toordinal() - EPOCH.toordinal()


def date_of(day: int) -> date:
    """Inverse of `day_of`."""
    return EPOCH + timedelta(days=day)


def week_of_day(day: int) -> int:
    """The number of the ISO week that a day lies in, counted from that of 1970-01-01."""
    return (day + DAYS_TO_THURSDAY) // 7


def monday(week: int) -> int:
    """The first day of a week."""
    return 7 * week - DAYS_TO_THURSDAY


@functools.lru_cache(maxsize=4_096)
def week_number(text: str) -> int:
    """The number of an ISO week such as `2026-W48`. Raises `ValueError` for what is none."""
    year, separator, number = text.partition("-W")
    if not separator or len(year) != 4 or len(number) != 2:
        raise ValueError(f"week: {text!r} is no ISO week such as 2026-W48")
    return week_of_day(day_of(date.fromisocalendar(int(year), int(number), 1)))


@functools.lru_cache(maxsize=262_144)  # a grid of times is shared by all places of a zone
def day_and_minute(start: str, zone: int) -> tuple[int, int, int]:
    """Local day, minute of the day, and 1 if the clock shows that time for the second time, of an RFC 3339 moment.

    Raises `ValueError`, also where there is no offset.
    """
    moment = datetime.fromisoformat(start)
    if moment.tzinfo is None:
        raise ValueError(f"start: {start!r} has no offset")
    shown = moment.astimezone(zone_info(zone))
    return day_of(shown), 60 * shown.hour + shown.minute, shown.fold
