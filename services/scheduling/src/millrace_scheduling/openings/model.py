"""Weeks by which openings are published. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from millrace_scheduling.zones import week_start

WEEK = timedelta(7)
_MAX_OFFSET = timedelta(1)
"""Longer than the UTC offset of any time zone."""


def week_name(week: date) -> str:
    """Return the ISO 8601 name of the week that begins on a Monday, e.g. `2026-W48`."""
    year, number, _ = week.isocalendar()
    return f"{year}-W{number:02}"


def weeks_between(first: datetime, last: datetime) -> Iterator[date]:
    """Yield the Mondays of all weeks that overlap the given time in any time zone."""
    week, end = week_start((first - _MAX_OFFSET).date()), (last + _MAX_OFFSET).date()
    while week <= end:
        yield week
        week += WEEK


def current_week(now: datetime) -> date:
    """Return the Monday of the oldest week that isn't over in every time zone."""
    return week_start((now - _MAX_OFFSET).date())
