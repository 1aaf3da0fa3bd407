"""Formats of times in emails: pure."""

from datetime import datetime
from zoneinfo import ZoneInfo


def format_long(time: datetime, zone: ZoneInfo) -> str:
    """Return the time in the format `Tuesday, November 24, 2026 at 9:30 AM (EST)`."""
    local = time.astimezone(zone)
    return f"{local:%A}, {local:%B} {local.day}, {local.year} at {_format_clock(local)} ({local.tzname()})"


def format_short(time: datetime, zone: ZoneInfo) -> str:
    """Return the time in the format `Tue, Nov 24 at 9:30 AM`."""
    local = time.astimezone(zone)
    return f"{local:%a}, {local:%b} {local.day} at {_format_clock(local)}"


def _format_clock(local: datetime) -> str:
    """Return the time of day in the format `9:30 AM`."""
    return f"{local.hour % 12 or 12}:{local:%M} {'AM' if local.hour < 12 else 'PM'}"
