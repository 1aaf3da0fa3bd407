"""Waiting for the first load: while an empty truth is being filled, writing the read model record by record costs more
than making it once at the end.

Openings don't count: each is written for itself and leaves all else of its provider as it is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from millrace_feeds.clock import Clock
from millrace_projector.as_of import AsOf


class Truth(Protocol):
    async def is_empty(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for a first record, for a lull that counts as the end of the load, and in all."""

    arrival: float = 15.0
    lull: float = 3.0
    load: float = 180.0


class FirstLoad:
    """Tells when the first load is over, as far as it is worth waiting for."""

    def __init__(
        self,
        truth: Truth,
        as_of: AsOf,
        clock: Clock,
        patience: Patience,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._truth = truth
        self._as_of = as_of
        self._clock = clock
        self._patience = patience
        self._sleep = sleep

    async def over(self) -> None:
        """Returns at once where anything was applied before, else when the records rest or patience ends."""
        if self._as_of.loads or not await self._truth.is_empty():
            return
        began = quiet_since = self._clock.monotonic()
        seen = 0
        while (now := self._clock.monotonic()) - began < self._patience.load:
            if self._as_of.loads != seen or self._as_of.is_loading:
                seen, quiet_since = self._as_of.loads, now
            if now - quiet_since >= (self._patience.lull if seen else self._patience.arrival):
                return
            await self._sleep(self._patience.lull / 10)
