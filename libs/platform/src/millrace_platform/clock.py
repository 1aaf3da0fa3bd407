"""Time as a parameter: the feeds' clock, and how a moment is written."""

from datetime import UTC, datetime

from millrace_feeds.clock import Clock, SystemClock

__all__ = ["Clock", "SystemClock", "rfc3339"]


def rfc3339(seconds: float) -> str:
    """Unix seconds as RFC 3339 in UTC with milliseconds, e.g. `2026-11-21T07:04:30.123Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
