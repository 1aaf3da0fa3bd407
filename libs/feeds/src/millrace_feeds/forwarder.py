"""Publish the rows of an outbox to a stream; `relay` adds the database connection."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from millrace_feeds.publish_queue import PublishQueue, QueuedRecord
from millrace_feeds.publisher import Publisher
from millrace_feeds.settings import RelaySettings
from millrace_feeds.telemetry import count_published

FAILURES_UNTIL_UNAVAILABLE = 6
"""Consecutive requests without an acknowledged record after which the stream counts as unavailable."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A committed row of the outbox: an encoded event to publish. `created` is in Unix seconds."""

    seq: int
    key: str
    version: int
    traceparent: str | None
    body: bytes
    created: float


class Outbox(Protocol):
    """Gives access to the committed rows of an outbox table. The methods may be called concurrently."""

    async def fetch(self, known: Collection[int], limit: int) -> Sequence[OutboxRow]:
        """Return at most `limit` committed rows, the lowest `seq` first, except those whose `seq` is in `known`."""
        ...

    async def remove(self, seqs: Sequence[int]) -> None:
        """Delete the rows with these `seq`; return once the deletion is committed."""
        ...

    async def wait(self, seconds: float) -> None:
        """Wait for a notification about new rows, at most `seconds`."""
        ...


class Forwarder:
    """Publishes outbox rows in order per key and removes them once the stream has acknowledged them.

    A row is removed from the outbox only after its acknowledgement. After a crash the next forwarder publishes all
    remaining rows, including those whose acknowledgement was lost.
    """

    def __init__(self, outbox: Outbox, publisher: Publisher, settings: RelaySettings) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._settings = settings
        self._queue = PublishQueue(publisher.transport.limits)
        self._known: dict[int, float] = {}
        self._rows_queued = asyncio.Event()
        self._space_freed = asyncio.Event()
        self.published = 0
        self.failing: str | None = None
        self._consecutive_failures = 0
        """Consecutive requests without an acknowledged record."""

    @property
    def pending(self) -> int:
        """The number of rows in memory: waiting, in a request, or acknowledged and not yet removed."""
        return len(self._known)

    @property
    def oldest(self) -> float | None:
        """The creation time of the oldest row in memory (Unix seconds); None if there are no rows in memory."""
        return min(self._known.values(), default=None)

    async def run(self) -> None:
        """Run until cancelled; raise errors of the outbox's database, but retry errors of the stream without limit."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fill())
            for _ in range(self._publisher.settings.batches_in_flight):
                group.create_task(self._send())

    async def _fill(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while (room := self._settings.window - len(self._known)) <= 0:
                self._space_freed.clear()
                await self._space_freed.wait()
            limit = min(room, self._settings.fetch_rows)
            fetched_at = loop.time()
            rows = await self._outbox.fetch(self._known.keys(), limit)
            self._known.update((row.seq, row.created) for row in rows)
            self._queue.add(QueuedRecord(row.seq, row.key, row.body, row.traceparent) for row in sort_by_version(rows))
            if rows:
                self._rows_queued.set()
            if len(rows) < limit:
                await self._outbox.wait(self._settings.poll_interval)
                await asyncio.sleep(fetched_at + self._settings.gather - loop.time())

    async def _send(self) -> None:
        while True:
            # Probe an unavailable stream with single rows: a whole request keeps the process busy for 0.1 s.
            batch = self._queue.take(1 if self._consecutive_failures >= FAILURES_UNTIL_UNAVAILABLE else None)
            if not batch:
                self._rows_queued.clear()
                await self._rows_queued.wait()
                continue
            outcomes = await self._publisher.send(batch)
            acknowledged, failed = self._queue.settle(batch, outcomes)
            self._consecutive_failures = 0 if acknowledged else self._consecutive_failures + 1
            self._rows_queued.set()
            count_published(self._publisher.stream, len(acknowledged), len(failed))
            await self._remove([record.tag for record in acknowledged])
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
            self._space_freed.set()

    async def _back_off(self, failed: list[QueuedRecord], reason: str) -> None:
        if self.failing is None:
            logger.warning("can't publish %d rows to %s, retrying: %s", len(failed), self._publisher.stream, reason)
        self.failing = reason
        attempts = max(record.attempts for record in failed)
        failures = max(attempts, self._consecutive_failures - FAILURES_UNTIL_UNAVAILABLE)
        await asyncio.sleep(self._settings.backoff.delay(failures))
        self._queue.requeue(failed)
        self._rows_queued.set()


def sort_by_version(rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """Return the rows with each key's rows sorted by version, in the positions of the list that the key had before."""
    by_key: dict[str, list[OutboxRow]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    if len(by_key) == len(rows):
        return list(rows)
    ordered = {key: iter(sorted(same, key=lambda row: row.version)) for key, same in by_key.items()}
    return [next(ordered[row.key]) for row in rows]
