"""The clock's time as the tables have it."""

from datetime import UTC, datetime

from millrace_platform.clock import Clock


def now_of(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.time(), UTC)
