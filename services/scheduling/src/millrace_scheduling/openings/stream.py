"""A stream of openings: first how they stand, then every change, each with the id to go on from."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from millrace_feeds.clock import Clock, utc_now
from millrace_platform.database import Database
from millrace_scheduling.openings import repository
from millrace_scheduling.openings.hub import Hub
from millrace_scheduling.openings.model import current_week
from millrace_scheduling.openings.wire import server_sent

AT_ONCE = 100
RETRY_MILLISECONDS = 2_000
"""When a client that was cut off should come back."""


@dataclass(frozen=True, slots=True)
class Streams:
    """Streams of this process."""

    database: Database
    hub: Hub
    clock: Clock
    heartbeat: float

    async def events(self, place_ids: Sequence[UUID], last_id: int, alive: Callable[[], None]) -> AsyncIterator[bytes]:
        """Bytes to send, until the service stops. `alive` is called before each wait."""
        yield b"retry: %d\n\n" % RETRY_MILLISECONDS
        with self.hub.subscribed(place_ids) as woken:
            while not self.hub.closing:
                woken.clear()
                alive()
                told = await self._told(place_ids, last_id)
                for each in told:
                    last_id = each.seq
                    yield server_sent(each.seq, each.data, each.place_id, each.week)
                if len(told) < AT_ONCE and not await self._woken(woken):
                    yield b": still here\n\n"

    async def _told(self, place_ids: Sequence[UUID], last_id: int) -> list[repository.Told]:
        since = current_week(utc_now(self.clock))
        async with self.database.read() as session:
            return await repository.read_after(session, place_ids, last_id, since, AT_ONCE)

    async def _woken(self, woken: asyncio.Event) -> bool:
        try:
            async with asyncio.timeout(self.heartbeat):
                await woken.wait()
        except TimeoutError:
            return False
        return True
