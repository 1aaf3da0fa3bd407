"""The projector's figures in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from redis.asyncio import Redis

from millrace_feeds.consumer import Consumer
from millrace_feeds.status import ConsumerStatus
from millrace_projector.keeper import Keeper
from millrace_readmodel import layout
from millrace_readmodel.generations import pointers
from millrace_readmodel.rebuild import Rebuilt


@dataclass(frozen=True, slots=True)
class ReadModelStatus:
    """`generation` is the served one, None when there is none, and one is `pending` then; `building` reads
    `<number> <phase>`.

    `keys` counts all keys of the server, `memory` its bytes, `as_of` are unix seconds by shard, `rebuilt` tells of the
    last rebuild that this worker made.
    """

    generation: int | None
    pending: int
    building: str | None
    keys: int
    memory: int
    as_of: Mapping[str, float]
    rebuilt: Rebuilt | None


@dataclass(frozen=True, slots=True)
class ProjectorStatus:
    """One worker's figures since its start: `handled` events, of which `skipped` were not newer than the truth."""

    handled: int
    skipped: int
    consumer: ConsumerStatus
    read_model: ReadModelStatus


class Skipped:
    """Counts events that were not newer than the truth."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, count: int) -> None:
        self.count += count


class Status:
    """Reads the figures of a running projector."""

    def __init__(self, consumer: Consumer, redis: Redis, keeper: Keeper, skipped: Skipped) -> None:
        self._consumer = consumer
        self._redis = redis
        self._keeper = keeper
        self._skipped = skipped

    async def read(self) -> ProjectorStatus:
        """Raises redis-py's `RedisError`."""
        consumer = self._consumer.status()
        return ProjectorStatus(consumer.handled, self._skipped.count, consumer, await self._read_model())

    async def _read_model(self) -> ReadModelStatus:
        now = await pointers(self._redis)
        memory = await self._redis.info("memory")
        as_of = cast(dict[bytes, bytes], await self._redis.hgetall(layout.AS_OF_KEY))
        return ReadModelStatus(
            generation=now.served,
            pending=int(now.served is None),
            building=f"{now.building} {now.phase.value}" if now.building is not None and now.phase else None,
            keys=await self._redis.dbsize(),
            memory=memory["used_memory"],
            as_of={shard.decode(): float(time) for shard, time in as_of.items()},
            rebuilt=self._keeper.rebuilt,
        )
