"""Who waits for openings in this process, and how they are woken."""

import asyncio
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from uuid import UUID

import asyncpg

from millrace_platform.errors import Unavailable
from millrace_scheduling.openings.repository import CHANNEL

CONNECT_TIMEOUT = 10.0
RETRY = 1.0
CHECK = 30.0
"""Seconds after which a silent connection is tried."""

_log = logging.getLogger("scheduling.streams")


class Hub:
    """Wakes streams when openings of their places were told, by whatever process (PostgreSQL's NOTIFY).

    A stream that was woken reads what is new from the table: it misses nothing, and nothing queues up for a slow one.
    """

    def __init__(self, database_url: str, limit: int) -> None:
        self.closing = False
        """The service stops: streams end."""
        self._database_url = database_url
        self._limit = limit
        self._waiting: dict[asyncio.Event, frozenset[UUID]] = {}

    @property
    def count(self) -> int:
        return len(self._waiting)

    def require_room(self) -> None:
        """Raises `Unavailable` where there are as many streams as may be."""
        if len(self._waiting) >= self._limit:
            raise Unavailable("There are too many streams. Try again later.")

    @contextmanager
    def subscribed(self, place_ids: Collection[UUID]) -> Iterator[asyncio.Event]:
        """An event that is set by each change, and when the service stops."""
        woken = asyncio.Event()
        self._waiting[woken] = frozenset(place_ids)
        try:
            yield woken
        finally:
            del self._waiting[woken]

    async def run(self) -> None:
        """Until cancelled; then all streams end."""
        try:
            while True:
                try:
                    await self._listen()
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    _log.warning("can't listen for openings", extra={"reason": type(error).__name__})
                await asyncio.sleep(RETRY)
        finally:
            self.closing = True
            self._wake(None)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(
            self._database_url,
            timeout=CONNECT_TIMEOUT,
            command_timeout=CONNECT_TIMEOUT,
            server_settings={"application_name": "scheduling-streams"},
        )
        try:
            await connection.add_listener(CHANNEL, lambda _connection, _pid, _channel, payload: self._wake(payload))
            # Whatever was told while nobody listened.
            self._wake(None)
            while True:
                await asyncio.sleep(CHECK)
                await connection.execute("SELECT 1")
        finally:
            connection.terminate()

    def _wake(self, payload: str | None) -> None:
        place_id = None if payload is None else UUID(payload)
        for woken, place_ids in self._waiting.items():
            if place_id is None or place_id in place_ids:
                woken.set()
