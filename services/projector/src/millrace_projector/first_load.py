"""Wait until an empty source of truth (the DynamoDB table of entities) is filled for the first time.

Then one rebuild of the read model costs less than writing it record by record. Openings (bookable times) don't count as
part of this load, because they are written without the rest of their provider.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from millrace_feeds.clock import Clock
from millrace_projector.as_of import AsOfTracker


@dataclass(frozen=True, slots=True)
class FirstLoadTimeouts:
    """Maximum waits in seconds: for the first record, for a further one (else the load is complete), and in total."""

    first_record: float = 15.0
    idle: float = 3.0
    total: float = 180.0


@dataclass(frozen=True, slots=True)
class FirstLoad:
    """Waits until an empty source of truth is filled, within the given timeouts."""

    is_truth_empty: Callable[[], Awaitable[bool]]
    as_of: AsOfTracker
    clock: Clock
    timeouts: FirstLoadTimeouts
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def wait(self) -> None:
        """Return once no further records arrive or a timeout is over.

        Returns immediately if this process has applied records before, or the source of truth has items.
        """
        if self.as_of.loads or not await self.is_truth_empty():
            return
        began = idle_since = self.clock.monotonic()
        seen = 0
        while (now := self.clock.monotonic()) - began < self.timeouts.total:
            if self.as_of.loads != seen or self.as_of.is_loading:
                seen, idle_since = self.as_of.loads, now
            if now - idle_since >= (self.timeouts.idle if seen else self.timeouts.first_record):
                return
            await self.sleep(self.timeouts.idle / 10)
