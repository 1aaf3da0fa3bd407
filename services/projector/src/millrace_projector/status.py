"""Statistics of a projector worker and the read model, and their endpoint, which no load balancer routes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from fastapi import APIRouter, Request
from redis.asyncio import Redis

from millrace_feeds.consumer import Consumer
from millrace_feeds.status import ConsumerStatus
from millrace_platform.internal import for_operators
from millrace_platform.service_tokens import CallPurpose
from millrace_projector.handler import Projector
from millrace_projector.rebuild_monitor import RebuildMonitor
from millrace_readmodel import layout
from millrace_readmodel.generations import read_pointers
from millrace_readmodel.rebuild import RebuildResult

router = APIRouter(prefix="/internal/projector", tags=["internal"])


@dataclass(frozen=True, slots=True)
class ReadModelStatus:
    """State of the read model and its Redis server.

    A generation is a complete copy of the read model. `generation` is the number of the one that searches use, or None;
    then `pending` is 1. `building` is `<number> <phase>` of an unfinished one. `keys` and `memory` (bytes) describe the
    whole server. `as_of` maps each shard to the time (Unix seconds) up to which it is applied. `rebuilt` is the result
    of this worker's last rebuild.
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


@dataclass(frozen=True, slots=True)
class StatusReader:
    """Collects the stats of a running projector."""

    consumer: Consumer
    redis: Redis
    monitor: RebuildMonitor
    projector: Projector

    async def read(self) -> ProjectorStatus:
        """Return the current stats. Raises redis-py's `RedisError`."""
        consumer = self.consumer.status()
        return ProjectorStatus(consumer.handled, self.projector.skipped, consumer, await self._read_model())

    async def _read_model(self) -> ReadModelStatus:
        pointers = await read_pointers(self.redis)
        memory = await self.redis.info("memory")
        as_of = cast(dict[bytes, bytes], await self.redis.hgetall(layout.AS_OF_KEY))
        building = None
        if pointers.building is not None and pointers.phase is not None:
            building = f"{pointers.building} {pointers.phase.value}"
        return ReadModelStatus(
            generation=pointers.served,
            pending=int(pointers.served is None),
            building=building,
            keys=await self.redis.dbsize(),
            memory=memory["used_memory"],
            as_of={shard.decode(): float(time) for shard, time in as_of.items()},
            rebuilt=self.monitor.last_rebuild,
        )


@router.get("/status", dependencies=[for_operators(CallPurpose.STATUS)])
async def get_projector_status(request: Request) -> ProjectorStatus:
    """Get the status of this projector worker.

    Returns positions, lag, rates, dead letters and freshness of this worker; generation and size of the read model.
    """
    reader: StatusReader = request.app.state.status
    return await reader.read()
