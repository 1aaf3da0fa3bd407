"""Publishes all entities again with their current versions, to restore the copies in other services."""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy import func, literal, select, table

from millrace_directory.database import dedicated_connection
from millrace_directory.feed import CHUNK_ROWS, events_of
from millrace_directory.snapshot import KINDS
from millrace_directory.wire import Kind
from millrace_feeds.clock import rfc3339
from millrace_feeds.outbox import OUTBOX_TABLE
from millrace_platform.database import Database
from millrace_platform.errors import Conflict
from millrace_platform.unit_of_work import Envelopes, write_to_outbox

LOCK_KEY = 0x6D696C6C_72657079
"""Key of the advisory lock of replays ("millrepy"): only one replay runs at a time over all instances."""
MAX_BACKLOG = 20_000
"""Number of waiting events above which a replay pauses, so as not to fill the disk or delay changes by minutes."""
PAUSE = 0.2
"""Seconds between checks of the outbox during a pause."""

_outbox_rows = select(literal(1)).select_from(table(OUTBOX_TABLE)).limit(MAX_BACKLOG + 1).subquery()
_COUNT_BACKLOG = select(func.count()).select_from(_outbox_rows)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReplayStatus:
    """State of the last replay that this instance started. `sent` counts events by entity; times are RFC 3339."""

    state: Literal["never", "running", "done", "failed"] = "never"
    started: str | None = None
    ended: str | None = None
    sent: dict[str, int] = field(default_factory=dict)


class Replay:
    """Replays all entities, one replay at a time. Each chunk of a replay is a transaction."""

    def __init__(self, database: Database, database_url: str, envelopes: Envelopes) -> None:
        self.status = ReplayStatus()
        self._database = database
        self._database_url = database_url
        self._envelopes = envelopes
        self._started: asyncio.Queue[AsyncExitStack] = asyncio.Queue(maxsize=1)

    async def start(self) -> ReplayStatus:
        """Start a replay, which the task `run` executes; raise a 409 problem if one is running on any instance."""
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(
                dedicated_connection(self._database_url, name="directory-replay")
            )
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY):
                raise Conflict("A replay is already running. Wait until the status page shows its end.")
            self.status = ReplayStatus("running", started=self._now())
            # The lock belongs to the connection, which the task in `run` closes.
            self._started.put_nowait(stack.pop_all())
        return self.status

    async def run(self) -> None:
        """Execute the started replays until cancelled."""
        while True:
            async with await self._started.get():
                await self._replay()

    async def _replay(self) -> None:
        try:
            for kind in KINDS:
                await self._publish(kind)
        except Exception:
            # A failure ends this replay, not the service.
            logger.exception("replay failed")
            self.status = replace(self.status, state="failed", ended=self._now())
        else:
            self.status = replace(self.status, state="done", ended=self._now())

    async def _publish(self, kind: Kind[Any]) -> None:
        position: tuple[Any, ...] | None = None
        sent = 0
        while True:
            await self._wait_for_outbox()
            async with self._database.transaction() as session:
                rows = (await session.execute(kind.query_after(position).limit(CHUNK_ROWS))).mappings().all()
                events = events_of(kind, map(kind.versioned, rows))
                await write_to_outbox(session, self._envelopes.of(events, replay=True))
            sent += len(rows)
            self.status = replace(self.status, sent={**self.status.sent, kind.contract.name: sent})
            if len(rows) < CHUNK_ROWS:
                return
            position = kind.position(rows[-1])

    async def _wait_for_outbox(self) -> None:
        # There is no notification when the relay deletes rows.
        while True:
            async with self._database.read() as session:
                if (await session.scalar(_COUNT_BACKLOG) or 0) <= MAX_BACKLOG:
                    return
            await asyncio.sleep(PAUSE)

    def _now(self) -> str:
        return rfc3339(self._envelopes.clock.time())
