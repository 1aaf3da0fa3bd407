"""Batch one shard's records for the handler and decide on retries, without I/O.

No two batches in progress share a key, so each key's records are applied in order while other keys proceed. A batch
that fails is retried, then split by keys (a single key's records in order, one half after the other) until it has one
record; a record that keeps failing is parked (stored as a dead letter). A failing batch delays only its own keys. The
position (the checkpoint) advances over finished records only.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum

from millrace_feeds.settings import RetryPolicy
from millrace_feeds.transport import Record


class FailureAction(Enum):
    """The next step for a batch after a failed call: retry it, split it, or park its record as a dead letter."""

    RETRY = "retry"
    SPLIT = "split"
    PARK = "park"


class PendingRecord:
    """A record that was read and isn't checkpointed yet; `done` once it is applied or a dead letter."""

    __slots__ = ("done", "record")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.done = False


class Batch:
    """The records passed to the handler in one call.

    `attempts` counts failed calls since the last split, `total_attempts` all of them. `successor` contains later
    records of the same key, to be delivered after these.
    """

    __slots__ = ("attempts", "entries", "keys", "outages", "successor", "total_attempts")

    def __init__(
        self, entries: list[PendingRecord], keys: set[str], *, total_attempts: int = 0, attempts: int = 0
    ) -> None:
        self.entries = entries
        self.keys = keys
        self.total_attempts = total_attempts
        self.attempts = attempts
        self.outages = 0
        self.successor: Batch | None = None

    @property
    def records(self) -> list[Record]:
        return [entry.record for entry in self.entries]


class DeliveryQueue:
    """Contains one shard's records from their read to their checkpoint. Times are in seconds of a monotonic clock."""

    def __init__(self, policy: RetryPolicy, *, batch_records: int, max_in_flight: int) -> None:
        self._policy = policy
        self._batch_records = batch_records
        self._max_in_flight = max_in_flight
        self._unfinished: deque[PendingRecord] = deque()
        self._ready: deque[PendingRecord] = deque()
        self._waiting_by_key: dict[str, list[PendingRecord]] = {}
        self._busy_keys: set[str] = set()
        self._retries: list[tuple[float, int, Batch]] = []
        self._scheduled = 0
        self.position: str | None = None

    @property
    def free_capacity(self) -> int:
        """The number of records that may be added. A finished record still counts while an earlier one isn't."""
        return self._max_in_flight - len(self._unfinished)

    @property
    def in_flight(self) -> int:
        return len(self._unfinished)

    def add(self, records: Iterable[Record]) -> None:
        """Add records in the shard's order."""
        entries = [PendingRecord(record) for record in records]
        self._unfinished.extend(entries)
        self._ready.extend(entries)

    def next_batch(self, now: float) -> Batch | None:
        """Return a batch whose retry is due, else new records of keys not in progress, else None."""
        if self._retries and self._retries[0][0] <= now:
            return heapq.heappop(self._retries)[2]
        return self._next_new_batch()

    def next_retry_at(self) -> float | None:
        """Return the time of the next scheduled retry, None if there is none."""
        return self._retries[0][0] if self._retries else None

    def complete(self, batch: Batch, now: float) -> None:
        """Mark all records of the batch as applied."""
        for entry in batch.entries:
            entry.done = True
        self._finish(batch, now)

    def mark_parked(self, batch: Batch, record: Record, now: float) -> None:
        """Mark one record as stored as a dead letter; the rest of the batch is delivered again immediately."""
        for entry in batch.entries:
            if entry.record == record:
                entry.done = True
        batch.entries = [entry for entry in batch.entries if not entry.done]
        if batch.entries:
            self._schedule(batch, now)
            self._advance_position()
        else:
            self._finish(batch, now)

    def retry_after_outage(self, batch: Batch, now: float) -> None:
        """Schedule a retry of the whole batch; outages don't count as attempts, since its records didn't cause them."""
        batch.outages += 1
        self._schedule(batch, now + self._policy.backoff.delay(batch.outages))

    def fail(self, batch: Batch, now: float) -> FailureAction:
        """Count a failed call; schedule a retry, split the batch, or return `PARK`.

        On `PARK` the batch has one record; the caller stores its dead letter and then calls `mark_parked`.
        """
        batch.total_attempts += 1
        batch.attempts += 1
        alone = len(batch.entries) == 1
        if batch.attempts < (self._policy.record_attempts if alone else self._policy.batch_attempts):
            self._schedule(batch, now + self._policy.backoff.delay(batch.attempts))
            return FailureAction.RETRY
        if alone:
            return FailureAction.PARK
        self._split(batch, now)
        return FailureAction.SPLIT

    def _next_new_batch(self) -> Batch | None:
        ready, busy = self._ready, self._busy_keys
        entries: list[PendingRecord] = []
        keys: set[str] = set()
        while ready and len(entries) < self._batch_records:
            entry = ready.popleft()
            key = entry.record.key
            if key in busy:
                self._waiting_by_key.setdefault(key, []).append(entry)
            else:
                entries.append(entry)
                keys.add(key)
        if not entries:
            return None
        busy |= keys
        return Batch(entries, keys)

    def _finish(self, batch: Batch, now: float) -> None:
        if batch.successor is not None:
            self._schedule(batch.successor, now)
        else:
            self._release_keys(batch.keys)
        self._advance_position()

    def _release_keys(self, keys: set[str]) -> None:
        self._busy_keys -= keys
        if self._waiting_by_key:
            for key in keys & self._waiting_by_key.keys():
                # Put them before the key's records that arrived later.
                self._ready.extendleft(reversed(self._waiting_by_key.pop(key)))

    def _advance_position(self) -> None:
        order = self._unfinished
        while order and order[0].done:
            self.position = order.popleft().record.sequence

    def _schedule(self, batch: Batch, due: float) -> None:
        self._scheduled += 1
        heapq.heappush(self._retries, (due, self._scheduled, batch))

    def _split(self, batch: Batch, now: float) -> None:
        # A half is delivered once before it is split again; a single record gets the full number of attempts.
        parts = _split_entries(batch.entries)
        halves = [
            Batch(
                entries,
                {entry.record.key for entry in entries},
                total_attempts=batch.total_attempts,
                attempts=0 if len(entries) == 1 else self._policy.batch_attempts - 1,
            )
            for entries in parts
        ]
        self._release_keys(batch.keys - halves[0].keys - halves[1].keys)
        self._schedule(halves[0], now)
        if halves[0].keys == halves[1].keys:
            halves[0].successor, halves[1].successor = halves[1], batch.successor
        else:
            self._schedule(halves[1], now)


def _split_entries(entries: Sequence[PendingRecord]) -> tuple[list[PendingRecord], list[PendingRecord]]:
    """Split records into halves without a common key, each in order; those of one key into earlier and later ones."""
    keys = list(dict.fromkeys(entry.record.key for entry in entries))
    if len(keys) == 1:
        middle = len(entries) // 2
        return list(entries[:middle]), list(entries[middle:])
    first = set(keys[: len(keys) // 2])
    return (
        [entry for entry in entries if entry.record.key in first],
        [entry for entry in entries if entry.record.key not in first],
    )
