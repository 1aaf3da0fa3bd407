"""Reading a stream as one worker of an application.

Order holds per key; a checkpoint follows the effects; a shard's calls of the handler run side by side as long as they
share no key. See `Handler` for what a handler owes, `Delivery` for retries, `lease_rules` for sharing out shards.
"""

import asyncio
import logging

from millrace_feeds.clock import Clock, SystemClock
from millrace_feeds.coordinator import Coordinator
from millrace_feeds.dead_letters import DeadLetters
from millrace_feeds.errors import InvalidRecord, Unavailable
from millrace_feeds.handler import Handler, Outage, is_outage
from millrace_feeds.held_lease import HeldLease
from millrace_feeds.lease import LeaseStore
from millrace_feeds.settings import ConsumerSettings
from millrace_feeds.shard import ShardWorker, Wiring
from millrace_feeds.status import ConsumerStatus
from millrace_feeds.telemetry import ConsumerMeter
from millrace_feeds.transport import Record, Transport

__all__ = ["Consumer", "Handler", "InvalidRecord", "Record"]

logger = logging.getLogger(__name__)

_COUNT_INTERVAL = 15.0


class Consumer:
    """One worker. `application` names the fleet, `worker` this member of it: unique among those that run.

    A worker that comes back under its former name goes on with its leases at once; under a new name it waits until
    they expire. `outage` tells errors of stores that are away from errors of records.
    """

    def __init__(
        self,
        *,
        application: str,
        stream: str,
        transport: Transport,
        leases: LeaseStore,
        dead_letters: DeadLetters,
        handler: Handler,
        worker: str,
        clock: Clock | None = None,
        settings: ConsumerSettings | None = None,
        outage: Outage = is_outage,
    ) -> None:
        clock = clock or SystemClock()
        self._worker = worker
        self._dead_letters = dead_letters
        self._dead_letter_count: int | None = None
        self._meter = ConsumerMeter(application, stream, clock)
        self._wiring = Wiring(
            application=application,
            stream=stream,
            transport=transport,
            dead_letters=dead_letters,
            handler=handler,
            outage=outage,
            clock=clock,
            settings=settings or ConsumerSettings(),
            meter=self._meter,
        )
        self._coordinator = Coordinator(
            stream=stream,
            worker=worker,
            transport=transport,
            leases=leases,
            clock=clock,
            settings=self._wiring.settings,
            work_on=self._work_on,
        )

    async def run(self) -> None:
        """Until cancelled: then running calls finish (bounded), positions are written and leases given back."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._coordinator.run())
            group.create_task(self._count_dead_letters())

    @property
    def healthy(self) -> bool:
        """Whether the lease table and every shard that this worker holds could be read lately."""
        return self._coordinator.seen_recently and all(worker.reading for worker in self._coordinator.workers)

    async def check(self) -> None:
        """For readiness: raises `Unavailable` unless `healthy`."""
        if not self.healthy:
            raise Unavailable(f"{self._wiring.application} can't read {self._wiring.stream}")

    def status(self) -> ConsumerStatus:
        """Figures of this worker; see `ConsumerStatus` for units."""
        meter = self._meter
        return ConsumerStatus(
            application=self._wiring.application,
            stream=self._wiring.stream,
            worker=self._worker,
            healthy=self.healthy,
            shards=tuple(sorted((worker.status() for worker in self._coordinator.workers), key=lambda s: s.shard_id)),
            handled=meter.handled,
            parked=meter.parked,
            rate=meter.rate,
            dead_letters=self._dead_letter_count,
            freshness_p50_ms=meter.freshness.percentile_ms(0.5),
            freshness_p99_ms=meter.freshness.percentile_ms(0.99),
        )

    def _work_on(self, held: HeldLease) -> ShardWorker:
        return ShardWorker(self._wiring, held)

    async def _count_dead_letters(self) -> None:
        while True:
            try:
                self._dead_letter_count = await self._dead_letters.count(self._wiring.application)
            except Unavailable as error:
                logger.debug("%s: dead letters can't be counted: %s", self._wiring.application, error)
            await asyncio.sleep(_COUNT_INTERVAL)
