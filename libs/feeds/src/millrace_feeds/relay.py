"""Relay events: publish the rows of a service's outbox in PostgreSQL to its stream.

One relay per database is active. It holds a session-level advisory lock on the same connection with which it reads and
removes rows, so losing the connection means losing both. It therefore needs a direct connection, not a transaction
pooler. LISTEN/NOTIFY wakes it; a slow poll finds rows whose notification was lost.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import asyncpg

from millrace_feeds.clock import Clock, SystemClock
from millrace_feeds.errors import Unavailable
from millrace_feeds.forwarder import Forwarder, OutboxRow
from millrace_feeds.outbox import NOTIFY_CHANNEL, OUTBOX_TABLE
from millrace_feeds.publisher import Publisher
from millrace_feeds.settings import RelaySettings

logger = logging.getLogger(__name__)

# A cursor over seq would lose rows: seq is assigned at insert, so a row that commits late may have a lower one.
_FETCH = f"""
SELECT seq, key, version, traceparent, body, extract(epoch FROM created_at)::float8 AS created
FROM {OUTBOX_TABLE} WHERE seq <> ALL($1::bigint[]) ORDER BY seq LIMIT $2
"""  # noqa: S608 # constants
_REMOVE = f"DELETE FROM {OUTBOX_TABLE} WHERE seq = ANY($1::bigint[])"  # noqa: S608 # constants

# Keepalives make the server close the connection, and so release the lock, of a relay whose machine vanished.
_SERVER_SETTINGS = {
    "application_name": "millrace-relay",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
}

# asyncpg raises InternalClientError for a query between the server's shutdown message and the closed socket.
_DATABASE_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """The state of a relay, for status pages.

    `active`: it holds the advisory lock. `pending` is the number of rows in memory, `oldest_age_ms` the age of the
    oldest one, None without rows. `failing` is the reason why the stream accepts no rows, None if it does.
    """

    active: bool
    healthy: bool
    pending: int
    published: int
    oldest_age_ms: float | None
    failing: str | None


class Relay:
    """Publishes the outbox of one database. Several may run for a database: one is active, the others stand by."""

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
        """Run until cancelled; after an outage of the database or the stream, retry with backoff."""
        failures = 0
        while True:
            try:
                async with self._outbox() as outbox:
                    await self._wait_for_lock(outbox)
                    failures = 0
                    await self._forward(outbox)
            except* _DATABASE_ERRORS as errors:
                failures += 1
                logger.warning("relay: can't read the outbox, retrying: %s", errors.exceptions[0])
            await asyncio.sleep(self._settings.backoff.delay(failures))

    @property
    def healthy(self) -> bool:
        """Whether the database is connected and, for the active relay, the stream accepts rows."""
        return self._connected and (self._forwarder is None or self._forwarder.failing is None)

    async def check(self) -> None:
        """Raise `Unavailable` unless `healthy`; a check for `/readyz`."""
        if not self.healthy:
            raise Unavailable(self.status().failing or "the relay has no connection to the database")

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

    async def _wait_for_lock(self, outbox: "PostgresOutbox") -> None:
        while not await outbox.try_lock(self._settings.lock_id):  # noqa: ASYNC110 # PostgreSQL reports no free lock
            await asyncio.sleep(self._settings.standby_interval)
        await outbox.listen()

    async def _forward(self, outbox: "PostgresOutbox") -> None:
        self._forwarder = Forwarder(outbox, self._publisher, self._settings)
        try:
            await self._forwarder.run()
        finally:
            self._published_before += self._forwarder.published
            self._forwarder = None


class PostgresOutbox:
    """Implements `Outbox` with the connection that holds the advisory lock."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self._connection_lock = asyncio.Lock()
        self._notified = asyncio.Event()

    async def try_lock(self, lock_id: int) -> bool:
        return bool(await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", lock_id))

    async def listen(self) -> None:
        await self._connection.add_listener(NOTIFY_CHANNEL, lambda *_: self._notified.set())
        self._connection.add_termination_listener(lambda _: self._notified.set())

    async def fetch(self, known: Collection[int], limit: int) -> Sequence[OutboxRow]:
        # Rows that are committed after this line cause another notification.
        self._notified.clear()
        async with self._connection_lock:
            rows = await self._connection.fetch(_FETCH, list(known), limit)
        return [OutboxRow(*row) for row in rows]

    async def remove(self, seqs: Sequence[int]) -> None:
        async with self._connection_lock:
            await self._connection.execute(_REMOVE, seqs)

    async def wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._notified.wait()
