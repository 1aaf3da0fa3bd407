"""Streams of openings: first the current openings, then each change, each with the id to resume from."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from millrace_feeds.clock import Clock, utc_now
from millrace_platform.database import Database
from millrace_scheduling.openings import repository
from millrace_scheduling.openings.model import current_week
from millrace_scheduling.openings.notifier import OpeningsNotifier
from millrace_scheduling.openings.wire import server_sent_event

WEEKS_PER_READ = 100
RETRY_MILLISECONDS = 2_000
"""Delay before a disconnected client should reconnect."""


@dataclass(frozen=True, slots=True)
class OpeningsStreams:
    """The streams of this process. `heartbeat`: seconds without an event after which a comment is sent."""

    database: Database
    notifier: OpeningsNotifier
    clock: Clock
    heartbeat: float

    async def events(
        self, provider_location_ids: Sequence[UUID], last_id: int, extend_deadline: Callable[[], None]
    ) -> AsyncIterator[bytes]:
        """Yield server-sent events after `last_id` until the service stops; call `extend_deadline` before each wait."""
        yield b"retry: %d\n\n" % RETRY_MILLISECONDS
        with self.notifier.subscribe(provider_location_ids) as changed:
            while not self.notifier.closing:
                changed.clear()
                extend_deadline()
                rows = await self._read_changes(provider_location_ids, last_id)
                for row in rows:
                    last_id = row.seq
                    yield server_sent_event(row.seq, row.data, row.provider_location_id, row.week)
                if len(rows) < WEEKS_PER_READ and not await self._wait(changed):
                    yield b": still here\n\n"

    async def _read_changes(self, provider_location_ids: Sequence[UUID], last_id: int) -> list[repository.WeekRow]:
        since = current_week(utc_now(self.clock))
        async with self.database.read() as session:
            return await repository.list_changed_weeks(session, provider_location_ids, last_id, since, WEEKS_PER_READ)

    async def _wait(self, changed: asyncio.Event) -> bool:
        """Return True on a change, False after the heartbeat interval."""
        try:
            async with asyncio.timeout(self.heartbeat):
                await changed.wait()
        except TimeoutError:
            return False
        return True
