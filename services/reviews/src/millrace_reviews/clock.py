"""The present moment as a parameter."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from millrace_feeds.clock import Clock, utc_now

Now: TypeAlias = Callable[[], datetime]


def now_of(clock: Clock) -> Now:
    """Moments of a clock, in UTC."""
    return lambda: utc_now(clock)
