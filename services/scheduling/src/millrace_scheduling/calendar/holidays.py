"""Federal holidays of the United States (5 U.S.C. 6103), with the days on which they are observed."""

from datetime import date, timedelta
from functools import lru_cache

JUNETEENTH_SINCE = 2021
MONDAY, THURSDAY, SATURDAY, SUNDAY = 0, 3, 5, 6


@lru_cache(maxsize=256)
def federal_holidays(year: int) -> frozenset[date]:
    """Return the days of `year` on which a holiday is observed: Friday for one on a Saturday, Monday for a Sunday."""
    fixed = [(1, 1), (7, 4), (11, 11), (12, 25), *([(6, 19)] if year >= JUNETEENTH_SINCE else [])]
    observed = [_observed(date(each, month, day)) for each in (year, year + 1) for month, day in fixed]
    floating = [
        _nth(year, 1, MONDAY, 3),
        _nth(year, 2, MONDAY, 3),
        _nth(year, 6, MONDAY, 1) - timedelta(7),  # the last one of May
        _nth(year, 9, MONDAY, 1),
        _nth(year, 10, MONDAY, 2),
        _nth(year, 11, THURSDAY, 4),
    ]
    return frozenset(day for day in (*observed, *floating) if day.year == year)


def _nth(year: int, month: int, weekday: int, number: int) -> date:
    first = date(year, month, 1)
    return first + timedelta((weekday - first.weekday()) % 7 + 7 * (number - 1))


def _observed(day: date) -> date:
    return day + timedelta({SATURDAY: -1, SUNDAY: 1}.get(day.weekday(), 0))
