"""Wakes the streams of this process when openings change in any process."""

import asyncio
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from uuid import UUID

import asyncpg

from millrace_scheduling.openings.repository import CHANNEL

CONNECT_TIMEOUT = 10.0
RETRY_INTERVAL = 1.0
CHECK_INTERVAL = 30.0
"""Seconds between two checks of an idle connection."""

_log = logging.getLogger("scheduling.streams")


class OpeningsNotifier:
    """Wakes streams by PostgreSQL's NOTIFY when openings of their provider-locations change.

    A stream that wakes reads the changes from the table, so it misses none, and none queue up for a slow client.
    """

    def __init__(self, database_url: str) -> None:
        self.closing = False
        """Whether the service stops, so that streams must end."""
        self._database_url = database_url
        self._subscribers: dict[asyncio.Event, frozenset[UUID]] = {}

    @property
    def subscriber_count(self) -> int:
        return len(self._subscribers)

    @contextmanager
    def subscribe(self, provider_location_ids: Collection[UUID]) -> Iterator[asyncio.Event]:
        """Provide an event that is set by each change and when the service stops; the caller clears it."""
        changed = asyncio.Event()
        self._subscribers[changed] = frozenset(provider_location_ids)
        try:
            yield changed
        finally:
            del self._subscribers[changed]

    async def run(self) -> None:
        """Listen until cancelled, then end all streams."""
        try:
            while True:
                try:
                    await self._listen()
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    _log.warning("can't listen for changed openings", extra={"reason": type(error).__name__})
                await asyncio.sleep(RETRY_INTERVAL)
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
            # Notifications were lost while there was no connection.
            self._wake(None)
            while True:
                await asyncio.sleep(CHECK_INTERVAL)
                await connection.execute("SELECT 1")
        finally:
            connection.terminate()

    def _wake(self, payload: str | None) -> None:
        """Wake the subscribers of a provider-location, or all if there is no payload."""
        provider_location_id = None if payload is None else UUID(payload)
        for changed, provider_location_ids in self._subscribers.items():
            if provider_location_id is None or provider_location_id in provider_location_ids:
                changed.set()
