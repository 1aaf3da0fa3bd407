"""Clocks are passed in, so that a test can run hours of leases and retries in milliseconds."""

import time
from typing import Protocol


class Clock(Protocol):
    def time(self) -> float:
        """Seconds since the epoch; may jump. For what people and other machines read."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary point; never jumps. For leases, timeouts and backoff."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
