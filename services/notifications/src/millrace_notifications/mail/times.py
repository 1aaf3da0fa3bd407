"""Times as a letter gives them: pure."""

from datetime import datetime
from zoneinfo import ZoneInfo


def long(moment: datetime, zone: ZoneInfo) -> str:
    """`Tuesday, November 24, 2026 at 9:30 AM (EST)`."""
    local = moment.astimezone(zone)
    return f"{local:%A}, {local:%B} {local.day}, {local.year} at {clock(local)} ({local.tzname()})"


def short(moment: datetime, zone: ZoneInfo) -> str:
    """`Tue, Nov 24 at 9:30 AM`."""
    local = moment.astimezone(zone)
    return f"{local:%a}, {local:%b} {local.day} at {clock(local)}"


def clock(local: datetime) -> str:
    """`9:30 AM`, `12:00 PM`."""
    return f"{local.hour % 12 or 12}:{local:%M} {'AM' if local.hour < 12 else 'PM'}"
