"""Up to which time the read model is complete, shard by shard."""

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

_OPENINGS = f"{AVAILABILITY.name}/"

logger = logging.getLogger(__name__)


class AsOf:
    """Knows what is being applied, and from that and a shard's position until when all is applied.

    Times are those at which the stream took the records (unix seconds).
    """

    def __init__(self) -> None:
        self._applying: dict[str, dict[int, float]] = {}
        self._applied: dict[str, float] = {}
        self._calls = 0
        self.loads = 0
        """Times that records were applied, or began to be; without those of openings alone."""
        self._loading = 0

    @property
    def is_loading(self) -> bool:
        """Whether records are being applied, other than of openings."""
        return self._loading > 0

    @contextmanager
    def applying(self, records: Sequence[Record]) -> Iterator[None]:
        """Around applying records of one shard; they count as applied unless the block raises."""
        shard = records[0].shard_id
        running = self._applying.setdefault(shard, {})
        is_load = any(not record.key.startswith(_OPENINGS) for record in records)
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

    def complete(self, shard: ShardStatus, now: float) -> float | None:
        """The time up to which a shard is applied; None while that isn't known."""
        if shard.lag_ms == 0 and shard.in_flight == 0:
            return now
        running = self._applying.get(shard.shard_id)
        return min(running.values()) if running else self._applied.get(shard.shard_id)


class Consumer(Protocol):
    def status(self) -> "Shards":
        """The shards that this worker holds."""


class Shards(Protocol):
    @property
    def shards(self) -> tuple[ShardStatus, ...]: ...

    @property
    def healthy(self) -> bool: ...


class AsOfWriter:
    """Writes the times of this worker's shards to the read model; forgets shards that it no longer holds."""

    def __init__(
        self,
        redis: Redis,
        as_of: AsOf,
        consumer: Consumer,
        *,
        clock: Clock,
        interval: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._redis = redis
        self._as_of = as_of
        self._consumer = consumer
        self._clock = clock
        self._interval = interval
        self._sleep = sleep
        self._written: set[str] = set()

    async def run(self) -> None:
        """Until cancelled. While the server is away nothing is written, and so the times stand still."""
        while True:
            try:
                await self.write()
            except RedisError as error:
                logger.debug("as-of can't be written: %s", error)
            await self._sleep(self._interval)

    async def write(self) -> None:
        """Write the times once."""
        status = self._consumer.status()
        if not status.healthy:
            return
        now = self._clock.time()
        times = {shard.shard_id: self._as_of.complete(shard, now) for shard in status.shards}
        known = {shard: f"{time:.3f}" for shard, time in times.items() if time is not None}
        gone = self._written - times.keys()
        if gone:
            await self._redis.hdel(layout.AS_OF_KEY, *gone)
        if known:
            await self._redis.hset(layout.AS_OF_KEY, items=[part for pair in known.items() for part in pair])
        self._written = set(known)
