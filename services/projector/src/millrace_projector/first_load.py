"""Wait for the first load of the source of truth, when it is empty.

One rebuild after the load costs less than writing the read model record by record. Openings don't count as part of the
load, because they are written without the rest of their provider.
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
    """Limits in seconds: for the first record, for a pause after which the load counts as complete, and in total."""

    first_record: float = 15.0
    idle: float = 3.0
    total: float = 180.0


class FirstLoad:
    """Waits until an empty source of truth is filled, within the given timeouts."""

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
        """Return once no further records arrive or a timeout is over.

        Returns immediately if records were applied before or the source of truth has items.
        """
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
