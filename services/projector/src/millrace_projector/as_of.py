"""Track the time up to which the read model is complete (the as-of time) for each shard."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from millrace_contracts.registry import AVAILABILITY
from millrace_feeds.clock import Clock
from millrace_feeds.status import ShardStatus
from millrace_feeds.transport import Record
from millrace_readmodel import layout

_OPENINGS_PREFIX = f"{AVAILABILITY.name}/"

logger = logging.getLogger(__name__)


class AsOfTracker:
    """Derives a shard's as-of time from the batches being applied and the consumer's position.

    Times are the records' arrival times in the stream (Unix seconds).
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
        """Whether a batch that contains more than openings is being applied."""
        return self._loading > 0

    @contextmanager
    def applying(self, records: Sequence[Record]) -> Iterator[None]:
        """Context manager for applying records of one shard; they count as applied unless the block raises."""
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


class Consumer(Protocol):
    def status(self) -> "ConsumerShards":
        """Return the state of the shards that this worker leases."""


class ConsumerShards(Protocol):
    @property
    def shards(self) -> tuple[ShardStatus, ...]: ...

    @property
    def healthy(self) -> bool: ...


class AsOfWriter:
    """Writes the as-of times of this worker's shards to the read model, and deletes those of shards it lost."""

    def __init__(
        self,
        redis: Redis,
        tracker: AsOfTracker,
        consumer: Consumer,
        *,
        clock: Clock,
        interval: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._redis = redis
        self._tracker = tracker
        self._consumer = consumer
        self._clock = clock
        self._interval = interval
        self._sleep = sleep
        self._written: set[str] = set()

    async def run(self) -> None:
        """Write every `interval` seconds until cancelled. The times don't advance while Redis is unavailable."""
        while True:
            try:
                await self.write()
            except RedisError as error:
                logger.debug("as-of times not written: %s", error)
            await self._sleep(self._interval)

    async def write(self) -> None:
        """Write the as-of times once; write nothing while the consumer is unhealthy."""
        status = self._consumer.status()
        if not status.healthy:
            return
        now = self._clock.time()
        times = {shard.shard_id: self._tracker.as_of(shard, now) for shard in status.shards}
        known = {shard: f"{time:.3f}" for shard, time in times.items() if time is not None}
        lost = self._written - times.keys()
        if lost:
            await self._redis.hdel(layout.AS_OF_KEY, *lost)
        if known:
            await self._redis.hset(layout.AS_OF_KEY, items=[part for pair in known.items() for part in pair])
        self._written = set(known)
