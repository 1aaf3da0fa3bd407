"""Track the time up to which the read model is complete (the as-of time) for each shard."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.exceptions import RedisError

from millrace_contracts.registry import AVAILABILITY
from millrace_feeds.clock import Clock
from millrace_feeds.status import ConsumerStatus, ShardStatus
from millrace_feeds.transport import Record
from millrace_readmodel import layout

_OPENINGS_PREFIX = f"{AVAILABILITY.name}/"

logger = logging.getLogger(__name__)


class AsOfTracker:
    """Derives a shard's as-of time from the batches that are being applied and the consumer's position.

    All times are Unix seconds; the time of a record is that of its arrival in the stream.
    """

    def __init__(self) -> None:
        self._applying: dict[str, dict[int, float]] = {}
        self._applied: dict[str, float] = {}
        self._calls = 0
        self.loads = 0
        """Number of batches begun since the start, except those that contain only openings."""
        self._loading = 0

    @property
    def is_loading(self) -> bool:
        """Whether a batch that contains more than openings (bookable times) is being applied."""
        return self._loading > 0

    @contextmanager
    def applying(self, records: Sequence[Record]) -> Iterator[None]:
        """Context manager in which a shard's records are applied; they count as applied unless the block raises."""
        shard = records[0].shard_id
        running = self._applying.setdefault(shard, {})
        is_load = any(not record.key.startswith(_OPENINGS_PREFIX) for record in records)
        self.loads += is_load
        self._loading += is_load
        self._calls += 1
        call = self._calls
        running[call] = min(record.arrived for record in records)
        try:
            yield
            latest = max(record.arrived for record in records)
            self._applied[shard] = max(latest, self._applied.get(shard, 0.0))
        finally:
            del running[call]
            self._loading -= is_load

    def as_of(self, shard: ShardStatus, now: float) -> float | None:
        """Return the time up to which all records of the shard are applied; None if it is not known yet."""
        if shard.lag_ms == 0 and shard.in_flight == 0:
            return now
        running = self._applying.get(shard.shard_id)
        return min(running.values()) if running else self._applied.get(shard.shard_id)


@dataclass(slots=True)
class AsOfWriter:
    """Writes the as-of times of this worker's shards to the read model, and deletes those of shards it lost.

    `consumer_status` returns the shards that this worker leases; `interval` is in seconds.
    """

    redis: Redis
    tracker: AsOfTracker
    consumer_status: Callable[[], ConsumerStatus]
    clock: Clock
    interval: float
    _written: set[str] = field(default_factory=set, init=False)

    async def run(self) -> None:
        """Write every `interval` seconds until cancelled. The times don't advance while Redis is unavailable."""
        while True:
            try:
                await self.write()
            except RedisError as error:
                logger.debug("as-of times not written: %s", error)
            await asyncio.sleep(self.interval)

    async def write(self) -> None:
        """Write the as-of times once; write nothing while the consumer is unhealthy."""
        status = self.consumer_status()
        if not status.healthy:
            return
        now = self.clock.time()
        times = {shard.shard_id: self.tracker.as_of(shard, now) for shard in status.shards}
        known = {shard: f"{time:.3f}" for shard, time in times.items() if time is not None}
        lost = self._written - times.keys()
        if lost:
            await self.redis.hdel(layout.AS_OF_KEY, *lost)
        if known:
            await self.redis.hset(layout.AS_OF_KEY, items=[part for pair in known.items() for part in pair])
        self._written = set(known)
