"""Consume a stream as one worker of an application (consumer group).

Records are handled in order per key and checkpointed after their effects. Calls of the handler for one shard run
concurrently if they share no key. See `Handler` for the contract of handlers, `DeliveryQueue` for retries, and
`lease_rules` for the distribution of shards.
"""

import asyncio
import logging

from millrace_feeds.clock import Clock, SystemClock
from millrace_feeds.dead_letters import DeadLetterStore
from millrace_feeds.errors import InvalidRecord, Unavailable
from millrace_feeds.handler import Handler, OutagePredicate, is_outage
from millrace_feeds.held_lease import HeldLease
from millrace_feeds.lease import LeaseStore
from millrace_feeds.lease_coordinator import LeaseCoordinator
from millrace_feeds.settings import ConsumerSettings
from millrace_feeds.shard_worker import ConsumerContext, ShardWorker
from millrace_feeds.status import ConsumerStatus
from millrace_feeds.telemetry import ConsumerMetrics
from millrace_feeds.transport import Record, Transport

__all__ = ["Consumer", "Handler", "InvalidRecord", "Record"]

logger = logging.getLogger(__name__)

_COUNT_INTERVAL = 15.0


class Consumer:
    """One worker of an application. `worker` must be unique among the application's running workers.

    A worker that restarts under its former name resumes its leases immediately; under a new name it waits until they
    expire. `is_outage` returns whether an error of the handler means an unavailable store, rather than a bad record.
    """

    def __init__(
        self,
        *,
        application: str,
        stream: str,
        transport: Transport,
        leases: LeaseStore,
        dead_letters: DeadLetterStore,
        handler: Handler,
        worker: str,
        clock: Clock | None = None,
        settings: ConsumerSettings | None = None,
        is_outage: OutagePredicate = is_outage,
    ) -> None:
        clock = clock or SystemClock()
        self._worker = worker
        self._dead_letters = dead_letters
        self._dead_letter_count: int | None = None
        self._metrics = ConsumerMetrics(application, stream, clock)
        self._context = ConsumerContext(
            application=application,
            stream=stream,
            transport=transport,
            dead_letters=dead_letters,
            handler=handler,
            is_outage=is_outage,
            clock=clock,
            settings=settings or ConsumerSettings(),
            metrics=self._metrics,
        )
        self._coordinator = LeaseCoordinator(
            stream=stream,
            worker=worker,
            transport=transport,
            leases=leases,
            clock=clock,
            settings=self._context.settings,
            create_worker=self._create_worker,
        )

    async def run(self) -> None:
        """Run until cancelled; then finish running calls within `drain_timeout`, checkpoint and release the leases."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._coordinator.run())
            group.create_task(self._count_dead_letters())

    @property
    def healthy(self) -> bool:
        """Whether the latest reads of the lease table and of this worker's shards succeeded."""
        return self._coordinator.has_current_view and all(worker.is_reading for worker in self._coordinator.workers)

    async def check(self) -> None:
        """Raise `Unavailable` unless `healthy`; a check for `/readyz`."""
        if not self.healthy:
            raise Unavailable(f"{self._context.application} can't read {self._context.stream}")

    def status(self) -> ConsumerStatus:
        """Return this worker's shards, lag, rate and freshness, and the application's number of dead letters."""
        metrics = self._metrics
        return ConsumerStatus(
            application=self._context.application,
            stream=self._context.stream,
            worker=self._worker,
            healthy=self.healthy,
            shards=tuple(sorted((worker.status() for worker in self._coordinator.workers), key=lambda s: s.shard_id)),
            handled=metrics.handled,
            parked=metrics.parked,
            rate=metrics.rate,
            dead_letters=self._dead_letter_count,
            freshness_p50_ms=metrics.freshness.percentile_ms(0.5),
            freshness_p99_ms=metrics.freshness.percentile_ms(0.99),
        )

    def _create_worker(self, held: HeldLease) -> ShardWorker:
        return ShardWorker(self._context, held)

    async def _count_dead_letters(self) -> None:
        while True:
            try:
                self._dead_letter_count = await self._dead_letters.count(self._context.application)
            except Unavailable as error:
                logger.debug("%s: can't count dead letters: %s", self._context.application, error)
            await asyncio.sleep(_COUNT_INTERVAL)
