"""Sending all entities again, under the versions that they have: refills whatever was lost behind the feed."""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy import func, literal, select, table

from millrace_directory.database import own_connection
from millrace_directory.feed import CHUNK, events_of
from millrace_directory.kinds import KINDS
from millrace_directory.wire import Kind
from millrace_feeds.clock import rfc3339
from millrace_feeds.outbox import OUTBOX_TABLE
from millrace_platform.database import Database
from millrace_platform.errors import Conflict
from millrace_platform.unit_of_work import Envelopes, write_to_outbox

LOCK_KEY = 0x6D696C6C_72657079
"""Advisory lock of the replay ("millrepy"): one runs at a time, whatever instance was asked."""
BACKLOG = 20_000
"""Rows in the outbox above which the replay waits: it must not fill the disk, nor hold changes up for minutes."""
PAUSE = 0.2
"""Seconds between two looks at an outbox that is so full."""

_waiting = select(literal(1)).select_from(table(OUTBOX_TABLE)).limit(BACKLOG + 1).subquery()
_BACKLOG = select(func.count()).select_from(_waiting)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReplayStatus:
    """The last replay of this instance. `sent` counts events by entity; times are RFC 3339."""

    state: Literal["never", "running", "done", "failed"] = "never"
    started: str | None = None
    ended: str | None = None
    sent: dict[str, int] = field(default_factory=dict)


class Replay:
    """Runs replays one after the other, each in chunks that are transactions of their own."""

    def __init__(self, database: Database, database_url: str, envelopes: Envelopes) -> None:
        self.status = ReplayStatus()
        self._database = database
        self._database_url = database_url
        self._envelopes = envelopes
        self._started: asyncio.Queue[AsyncExitStack] = asyncio.Queue(maxsize=1)

    async def start(self) -> ReplayStatus:
        """Have a replay begin. Raises a 409 problem while one runs, here or elsewhere."""
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(own_connection(self._database_url, name="directory-replay"))
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY):
                raise Conflict("A replay is running. Wait until it has ended; the status page shows how far it is.")
            self.status = ReplayStatus("running", started=self._now())
            # The lock is the connection's, and goes with it to the task.
            self._started.put_nowait(stack.pop_all())
        return self.status

    async def run(self) -> None:
        """The task that does the work, until it is cancelled."""
        while True:
            async with await self._started.get():
                await self._replay()

    async def _replay(self) -> None:
        try:
            for kind in KINDS:
                await self._send(kind)
        except Exception:
            # Whatever it was, it ends this replay, not the service.
            logger.exception("replay failed")
            self.status = replace(self.status, state="failed", ended=self._now())
        else:
            self.status = replace(self.status, state="done", ended=self._now())

    async def _send(self, kind: Kind[Any]) -> None:
        position: tuple[Any, ...] | None = None
        sent = 0
        while True:
            await self._room()
            async with self._database.transaction() as session:
                rows = (await session.execute(kind.behind(position).limit(CHUNK))).mappings().all()
                await write_to_outbox(session, self._envelopes.of(events_of(kind, rows), replay=True))
            sent += len(rows)
            self.status = replace(self.status, sent={**self.status.sent, kind.contract.name: sent})
            if len(rows) < CHUNK:
                return
            position = kind.position(rows[-1])

    async def _room(self) -> None:
        while await self._backlog() > BACKLOG:  # noqa: ASYNC110 # rows that leave tell nobody
            await asyncio.sleep(PAUSE)

    async def _backlog(self) -> int:
        async with self._database.read() as session:
            return await session.scalar(_BACKLOG) or 0

    def _now(self) -> str:
        return rfc3339(self._envelopes.clock.time())
