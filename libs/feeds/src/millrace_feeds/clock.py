"""Clocks as parameters, so that tests can simulate hours of leases and retries in milliseconds."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def time(self) -> float:
        """Return seconds since the Unix epoch. May jump: use it for timestamps, not for durations."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an arbitrary moment. Never jumps: use it for leases, timeouts and backoff."""
        ...


class SystemClock:
    """Reads the machine's clocks. `ahead` is added to `time()`, in seconds: local platforms can try out later days."""

    def __init__(self, ahead: float = 0.0) -> None:
        self._ahead = ahead

    def time(self) -> float:
        return time.time() + self._ahead

    def monotonic(self) -> float:
        return time.monotonic()


def utc_now(clock: Clock) -> datetime:
    """Return the clock's time as a datetime in UTC."""
    return datetime.fromtimestamp(clock.time(), UTC)


def rfc3339(seconds: float) -> str:
    """Format Unix seconds as RFC 3339 in UTC with milliseconds, e.g. `2026-11-21T07:04:30.123Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
