"""Stats of a projector worker and the read model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from redis.asyncio import Redis

from millrace_feeds.consumer import Consumer
from millrace_feeds.status import ConsumerStatus
from millrace_projector.rebuild_monitor import RebuildMonitor
from millrace_readmodel import layout
from millrace_readmodel.generations import read_pointers
from millrace_readmodel.rebuild import RebuildResult


@dataclass(frozen=True, slots=True)
class ReadModelStatus:
    """State of the read model and its Redis server.

    `generation` is the number of the served generation, or None; then `pending` is 1. `building` is `<number> <phase>`
    of an unfinished generation. `keys` and `memory` (bytes) describe the whole server. `as_of` maps shards to Unix
    seconds. `rebuilt` is the result of this worker's last rebuild.
    """

    generation: int | None
    pending: int
    building: str | None
    keys: int
    memory: int
    as_of: Mapping[str, float]
    rebuilt: RebuildResult | None


@dataclass(frozen=True, slots=True)
class ProjectorStatus:
    """Stats of one worker since its start: `handled` events, of which `skipped` were not newer than the stored ones."""

    handled: int
    skipped: int
    consumer: ConsumerStatus
    read_model: ReadModelStatus


class SkippedCounter:
    """Counts events that were skipped because the source of truth already had their state or a newer one."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, count: int) -> None:
        self.count += count


class StatusReader:
    """Collects the stats of a running projector."""

    def __init__(self, consumer: Consumer, redis: Redis, monitor: RebuildMonitor, skipped: SkippedCounter) -> None:
        self._consumer = consumer
        self._redis = redis
        self._monitor = monitor
        self._skipped = skipped

    async def read(self) -> ProjectorStatus:
        """Return the current stats. Raises redis-py's `RedisError`."""
        consumer = self._consumer.status()
        return ProjectorStatus(consumer.handled, self._skipped.count, consumer, await self._read_model())

    async def _read_model(self) -> ReadModelStatus:
        pointers = await read_pointers(self._redis)
        memory = await self._redis.info("memory")
        as_of = cast(dict[bytes, bytes], await self._redis.hgetall(layout.AS_OF_KEY))
        building = None
        if pointers.building is not None and pointers.phase is not None:
            building = f"{pointers.building} {pointers.phase.value}"
        return ReadModelStatus(
            generation=pointers.served,
            pending=int(pointers.served is None),
            building=building,
            keys=await self._redis.dbsize(),
            memory=memory["used_memory"],
            as_of={shard.decode(): float(time) for shard, time in as_of.items()},
            rebuilt=self._monitor.last_rebuild,
        )
