"""Which records go into which put request: pure, no I/O.

A key has at most one request in flight. What a request fails goes again with all later records of the same key that
were in it, before anything of that key that is still waiting: no reader misses a record, and a repeat is always whole.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from millrace_feeds.transport import Limits


@dataclass(slots=True, eq=False)
class Parcel:
    """A record on its way out. `tag` is the sender's own name for it; `attempts` counts the requests it was in."""

    tag: int
    key: str
    body: bytes
    traceparent: str | None = None
    attempts: int = 0

    @property
    def weight(self) -> int:
        return len(self.body) + len(self.key.encode())


class OutgoingQueue:
    """Parcels in order per key. `take` a request's worth, `settle` it by its outcomes, `requeue` what failed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._ready: deque[Parcel] = deque()
        self._waiting: dict[str, list[Parcel]] = {}
        self._busy: set[str] = set()
        self._held = 0

    def __len__(self) -> int:
        """All parcels that aren't acknowledged, those in flight among them."""
        return self._held

    def add(self, parcels: Iterable[Parcel]) -> None:
        """Behind everything that the queue holds of the same keys."""
        before = len(self._ready)
        self._ready.extend(parcels)
        self._held += len(self._ready) - before

    def take(self, most: int | None = None) -> list[Parcel]:
        """The next request, of `most` parcels and within the transport's limits; empty where all keys are in flight."""
        batch: list[Parcel] = []
        weight = 0
        while self._ready and len(batch) < (most or self._limits.records):
            parcel = self._ready[0]
            if parcel.key in self._busy:
                self._waiting.setdefault(parcel.key, []).append(self._ready.popleft())
                continue
            weight += parcel.weight
            if batch and weight > self._limits.request_bytes:
                break
            parcel.attempts += 1
            batch.append(self._ready.popleft())
        self._busy.update(parcel.key for parcel in batch)
        return batch

    def settle(self, batch: Sequence[Parcel], outcomes: Sequence[str | None]) -> tuple[list[Parcel], list[Parcel]]:
        """Split a request into acknowledged and failed parcels; the keys of the failed stay in flight."""
        failed_keys: set[str] = set()
        acknowledged: list[Parcel] = []
        failed: list[Parcel] = []
        for parcel, outcome in zip(batch, outcomes, strict=True):
            if outcome is not None:
                failed_keys.add(parcel.key)
            (failed if parcel.key in failed_keys else acknowledged).append(parcel)
        self._held -= len(acknowledged)
        self._free({parcel.key for parcel in acknowledged} - failed_keys)
        return acknowledged, failed

    def requeue(self, failed: Sequence[Parcel]) -> None:
        """Put failed parcels back, ahead of their keys' later ones."""
        self._free({parcel.key for parcel in failed})
        self._ready.extendleft(reversed(failed))

    def _free(self, keys: set[str]) -> None:
        self._busy -= keys
        for key in keys & self._waiting.keys():
            self._ready.extendleft(reversed(self._waiting.pop(key)))
