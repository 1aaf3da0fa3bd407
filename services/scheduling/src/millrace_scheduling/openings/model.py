"""Weeks of openings."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from millrace_scheduling.slot.zones import monday

WEEK = timedelta(7)
_ZONES = timedelta(1)
"""No zone is further than that from UTC."""


def week_name(week: date) -> str:
    """ISO 8601's name of the week of a Monday, e.g. `2026-W48`."""
    year, number, _ = week.isocalendar()
    return f"{year}-W{number:02}"


def weeks_between(first: datetime, last: datetime) -> Iterator[date]:
    """The Mondays of all weeks that the time lies in, whatever the zone."""
    week, end = monday((first - _ZONES).date()), (last + _ZONES).date()
    while week <= end:
        yield week
        week += WEEK


def current_week(now: datetime) -> date:
    """The oldest week that isn't over everywhere."""
    return monday((now - _ZONES).date())
