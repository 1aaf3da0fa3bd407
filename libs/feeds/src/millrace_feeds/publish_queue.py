"""Assign outgoing records to put requests, without I/O.

A key has at most one request in flight. A record that fails is sent again with all later records of its key from the
same request, before waiting records of that key. So readers may see repeats, but miss no record, and each key's last
copies are in order.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from millrace_feeds.transport import Limits


@dataclass(slots=True, eq=False)
class QueuedRecord:
    """A record to publish. `tag` identifies it to the caller; `attempts` counts the requests that contained it."""

    tag: int
    key: str
    body: bytes
    traceparent: str | None = None
    attempts: int = 0

    @property
    def size(self) -> int:
        """The size of body and key in bytes, as the transport's limits count it."""
        return len(self.body) + len(self.key.encode())


class PublishQueue:
    """A queue of records in order per key: `take` a batch, `settle` it with the outcomes, `requeue` failed records."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._ready: deque[QueuedRecord] = deque()
        self._waiting: dict[str, list[QueuedRecord]] = {}
        self._busy: set[str] = set()
        self._unacknowledged = 0

    def __len__(self) -> int:
        """Return the number of records that aren't acknowledged, including those in flight."""
        return self._unacknowledged

    def add(self, records: Iterable[QueuedRecord]) -> None:
        """Append records; they are sent after all queued ones of the same keys."""
        before = len(self._ready)
        self._ready.extend(records)
        self._unacknowledged += len(self._ready) - before

    def take(self, max_records: int | None = None) -> list[QueuedRecord]:
        """Return the records of the next put request: at most `max_records`, None for the transport's limit.

        The list is empty if no record waits, or all keys of waiting records are in flight.
        """
        batch: list[QueuedRecord] = []
        size = 0
        while self._ready and len(batch) < (max_records or self._limits.records):
            record = self._ready[0]
            if record.key in self._busy:
                self._waiting.setdefault(record.key, []).append(self._ready.popleft())
                continue
            size += record.size
            if batch and size > self._limits.request_bytes:
                break
            record.attempts += 1
            batch.append(self._ready.popleft())
        self._busy.update(record.key for record in batch)
        return batch

    def settle(
        self, batch: Sequence[QueuedRecord], outcomes: Sequence[str | None]
    ) -> tuple[list[QueuedRecord], list[QueuedRecord]]:
        """Return the acknowledged and the failed records of a batch; pass the failed ones to `requeue`.

        An outcome is None for a written record. Records after a failed one of the same key count as failed, too.
        """
        failed_keys: set[str] = set()
        acknowledged: list[QueuedRecord] = []
        failed: list[QueuedRecord] = []
        for record, outcome in zip(batch, outcomes, strict=True):
            if outcome is not None:
                failed_keys.add(record.key)
            (failed if record.key in failed_keys else acknowledged).append(record)
        self._unacknowledged -= len(acknowledged)
        self._release_keys({record.key for record in acknowledged} - failed_keys)
        return acknowledged, failed

    def requeue(self, failed: Sequence[QueuedRecord]) -> None:
        """Put failed records back into the queue, before the later ones of their keys."""
        self._release_keys({record.key for record in failed})
        self._ready.extendleft(reversed(failed))

    def _release_keys(self, keys: set[str]) -> None:
        self._busy -= keys
        for key in keys & self._waiting.keys():
            self._ready.extendleft(reversed(self._waiting.pop(key)))
