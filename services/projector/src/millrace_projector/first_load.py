"""Wait for the first load of an empty truth.

One rebuild after the load costs less than writing the read model record by record. Openings don't count as load: each
is written alone, without the rest of its provider.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from millrace_feeds.clock import Clock
from millrace_projector.as_of import AsOfTracker


class Truth(Protocol):
    async def is_empty(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class FirstLoadTimeouts:
    """Seconds to wait for a first record, without a record until the load counts as complete, and in total."""

    first_record: float = 15.0
    idle: float = 3.0
    total: float = 180.0


class FirstLoad:
    """Waits until an empty truth is filled, within the given timeouts."""

    def __init__(
        self,
        truth: Truth,
        as_of: AsOfTracker,
        clock: Clock,
        timeouts: FirstLoadTimeouts,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._truth = truth
        self._as_of = as_of
        self._clock = clock
        self._timeouts = timeouts
        self._sleep = sleep

    async def wait(self) -> None:
        """Return at once if records were applied before or the truth has items, else once the load is idle or a
        timeout is over."""
        if self._as_of.loads or not await self._truth.is_empty():
            return
        began = idle_since = self._clock.monotonic()
        seen = 0
        while (now := self._clock.monotonic()) - began < self._timeouts.total:
            if self._as_of.loads != seen or self._as_of.is_loading:
                seen, idle_since = self._as_of.loads, now
            if now - idle_since >= (self._timeouts.idle if seen else self._timeouts.first_record):
                return
            await self._sleep(self._timeouts.idle / 10)
