"""The relay: from a service's outbox in PostgreSQL to its stream.

One relay a database is active, by a session-level advisory lock on the very connection that reads and removes rows: who
loses the connection loses the lock and can remove nothing. (So it needs a connection of its own, not a transaction
pooler's.) LISTEN/NOTIFY wakes it; a slow poll stands behind that.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from millrace_feeds.clock import Clock, SystemClock
from millrace_feeds.errors import Unavailable
from millrace_feeds.forwarder import Forwarder, OutboxRow
from millrace_feeds.outbox import NOTIFY_CHANNEL, OUTBOX_TABLE
from millrace_feeds.publisher import Publisher
from millrace_feeds.settings import RelaySettings

logger = logging.getLogger(__name__)

# There is no cursor: seq is given at insert, not at commit, and a row that commits late may have the lowest of all.
_FETCH = f"""
SELECT seq, key, version, traceparent, body, extract(epoch FROM created_at)::float8 AS created
FROM {OUTBOX_TABLE} WHERE seq <> ALL($1::bigint[]) ORDER BY seq LIMIT $2
"""  # noqa: S608 # constants
_REMOVE = f"DELETE FROM {OUTBOX_TABLE} WHERE seq = ANY($1::bigint[])"  # noqa: S608 # constants

# A relay whose machine vanished holds the lock until the server gives its connection up.
_SERVER_SETTINGS = {
    "application_name": "millrace-relay",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
}

# The last is what asyncpg makes of a request between the server's farewell and the closed socket.
_DATABASE_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """`active`: this relay holds the lock. `oldest_age_ms` is that of the oldest row in memory; None without any."""

    active: bool
    healthy: bool
    pending: int
    published: int
    oldest_age_ms: float | None
    failing: str | None


class Relay:
    """Publishes an outbox. Any number may run for a database; the others stand by."""

    def __init__(
        self,
        *,
        database_url: str,
        publisher: Publisher,
        clock: Clock | None = None,
        settings: RelaySettings | None = None,
    ) -> None:
        self._database_url = database_url
        self._publisher = publisher
        self._clock = clock or SystemClock()
        self._settings = settings or RelaySettings()
        self._forwarder: Forwarder | None = None
        self._published_before = 0
        self._connected = False

    async def run(self) -> None:
        """Until cancelled. A database that is away is tried again with backoff, and so is a stream."""
        failures = 0
        while True:
            try:
                async with self._outbox() as outbox:
                    await self._stand_by(outbox)
                    failures = 0
                    await self._forward(outbox)
            except* _DATABASE_ERRORS as errors:
                failures += 1
                logger.warning("relay: the outbox can't be read: %s", errors.exceptions[0])
            await asyncio.sleep(self._settings.backoff.delay(failures))

    @property
    def healthy(self) -> bool:
        """Whether the database is there and, for the active relay, the stream takes rows."""
        return self._connected and (self._forwarder is None or self._forwarder.failing is None)

    async def check(self) -> None:
        """For readiness: raises `Unavailable` unless `healthy`."""
        if not self.healthy:
            raise Unavailable(self.status().failing or "the relay has no database")

    def status(self) -> RelayStatus:
        forwarder = self._forwarder
        oldest = forwarder.oldest if forwarder else None
        return RelayStatus(
            active=forwarder is not None,
            healthy=self.healthy,
            pending=forwarder.pending if forwarder else 0,
            published=self._published_before + (forwarder.published if forwarder else 0),
            oldest_age_ms=None if oldest is None else max(0.0, self._clock.time() - oldest) * 1_000,
            failing=forwarder.failing if forwarder else None,
        )

    @asynccontextmanager
    async def _outbox(self) -> "AsyncIterator[PostgresOutbox]":
        timeout = self._settings.database_timeout
        connection = await asyncpg.connect(
            self._database_url, timeout=timeout, command_timeout=timeout, server_settings=_SERVER_SETTINGS
        )
        try:
            self._connected = True
            yield PostgresOutbox(connection)
        finally:
            self._connected = False
            connection.terminate()

    async def _stand_by(self, outbox: "PostgresOutbox") -> None:
        locked = await outbox.lock(self._settings.lock_id)
        while not locked:
            await asyncio.sleep(self._settings.standby_interval)
            locked = await outbox.lock(self._settings.lock_id)
        await outbox.listen()

    async def _forward(self, outbox: "PostgresOutbox") -> None:
        self._forwarder = Forwarder(outbox, self._publisher, self._settings)
        try:
            await self._forwarder.run()
        finally:
            self._published_before += self._forwarder.published
            self._forwarder = None


class PostgresOutbox:
    """An `Outbox` on one connection, which is also the one that holds the lock."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self._turn = asyncio.Lock()
        self._announced = asyncio.Event()

    async def lock(self, lock_id: int) -> bool:
        return bool(await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", lock_id))

    async def listen(self) -> None:
        await self._connection.add_listener(NOTIFY_CHANNEL, lambda *_: self._announced.set())
        self._connection.add_termination_listener(lambda _: self._announced.set())

    async def fetch(self, known: Collection[int], limit: int) -> Sequence[OutboxRow]:
        # Whatever commits from here on announces itself again.
        self._announced.clear()
        async with self._turn:
            rows = await self._connection.fetch(_FETCH, list(known), limit)
        return [OutboxRow(*row) for row in rows]

    async def remove(self, seqs: Sequence[int]) -> None:
        async with self._turn:
            await self._connection.execute(_REMOVE, seqs)

    async def wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._announced.wait()
        except TimeoutError:
            return
