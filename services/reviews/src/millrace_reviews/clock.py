"""The present moment as a parameter."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

from millrace_platform.clock import Clock

Now: TypeAlias = Callable[[], datetime]


def now_of(clock: Clock) -> Now:
    """Moments of a clock, in UTC."""
    return lambda: datetime.fromtimestamp(clock.time(), UTC)
