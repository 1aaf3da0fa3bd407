"""The relay's work without its database: rows out of an outbox into a stream, several requests at a time."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from millrace_feeds.outgoing import OutgoingQueue, Parcel
from millrace_feeds.publisher import Publisher
from millrace_feeds.settings import RelaySettings
from millrace_feeds.telemetry import count_published

AWAY = 6
"""So many requests in a row of which a stream took nothing say that it is away."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One committed row. `created` is unix seconds."""

    seq: int
    key: str
    version: int
    traceparent: str | None
    body: bytes
    created: float


class Outbox(Protocol):
    """The committed rows of an outbox. Methods may be called while another one runs."""

    async def fetch(self, known: Collection[int], limit: int) -> Sequence[OutboxRow]:
        """The first rows by `seq`, however late they were committed, but for those that are known."""
        ...

    async def remove(self, seqs: Sequence[int]) -> None:
        """Durable when it returns."""
        ...

    async def wait(self, seconds: float) -> None:
        """Until rows were announced, at most so long."""
        ...


class Forwarder:
    """Sends rows in order per key and removes them once they are acknowledged.

    What is in memory is never more than a copy: a row leaves the outbox only behind its acknowledgement, so whatever
    happens to this process, the next one sends every row that isn't known to be in the stream.
    """

    def __init__(self, outbox: Outbox, publisher: Publisher, settings: RelaySettings) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._settings = settings
        self._queue = OutgoingQueue(publisher.transport.limits)
        self._known: dict[int, float] = {}
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self.published = 0
        self.failing: str | None = None
        self._refused = 0
        """Requests in a row of which the stream took nothing."""

    @property
    def pending(self) -> int:
        """Rows in memory: waiting, in flight, or acknowledged and not removed yet."""
        return len(self._known)

    @property
    def oldest(self) -> float | None:
        """When the oldest of them was written, unix seconds."""
        return min(self._known.values(), default=None)

    async def run(self) -> None:
        """Until cancelled or the outbox fails; a stream that fails is tried again for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fill())
            for _ in range(self._publisher.settings.batches_in_flight):
                group.create_task(self._send())

    async def _fill(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while (room := self._settings.window - len(self._known)) <= 0:
                self._room.clear()
                await self._room.wait()
            limit = min(room, self._settings.fetch_rows)
            looked = loop.time()
            rows = await self._outbox.fetch(self._known.keys(), limit)
            self._known.update((row.seq, row.created) for row in rows)
            self._queue.add(Parcel(row.seq, row.key, row.body, row.traceparent) for row in in_version_order(rows))
            if rows:
                self._work.set()
            if len(rows) < limit:
                await self._outbox.wait(self._settings.poll_interval)
                await asyncio.sleep(looked + self._settings.gather - loop.time())

    async def _send(self) -> None:
        while True:
            # A stream that is away is asked with a single row: a whole request keeps the process busy for 0.1 s.
            batch = self._queue.take(1 if self._refused >= AWAY else None)
            if not batch:
                self._work.clear()
                await self._work.wait()
                continue
            outcomes = await self._publisher.send(batch)
            acknowledged, failed = self._queue.settle(batch, outcomes)
            self._refused = 0 if acknowledged else self._refused + 1
            self._work.set()
            count_published(self._publisher.stream, len(acknowledged), len(failed))
            await self._remove([parcel.tag for parcel in acknowledged])
            if failed:
                await self._back_off(failed, next(outcome for outcome in outcomes if outcome is not None))
            else:
                self.failing = None

    async def _remove(self, seqs: list[int]) -> None:
        if seqs:
            await self._outbox.remove(seqs)
            for seq in seqs:
                del self._known[seq]
            self.published += len(seqs)
            self._room.set()

    async def _back_off(self, failed: list[Parcel], reason: str) -> None:
        if self.failing is None:
            logger.warning("%d rows to %s are sent again: %s", len(failed), self._publisher.stream, reason)
        self.failing = reason
        failures = max(parcel.attempts for parcel in failed)
        await asyncio.sleep(self._settings.backoff.delay(max(failures, self._refused - AWAY)))
        self._queue.requeue(failed)
        self._work.set()


def in_version_order(rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """The rows as they came, but each key's own rows by version."""
    by_key: dict[str, list[OutboxRow]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    if len(by_key) == len(rows):
        return list(rows)
    ordered = {key: iter(sorted(same, key=lambda row: row.version)) for key, same in by_key.items()}
    return [next(ordered[row.key]) for row in rows]
