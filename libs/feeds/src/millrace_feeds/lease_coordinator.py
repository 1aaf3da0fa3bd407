"""Take and hand over leases as one of an application's workers, by the rules in `lease_rules`."""

import asyncio
import logging
import random
from collections.abc import Callable

from millrace_feeds.clock import Clock
from millrace_feeds.errors import Unavailable
from millrace_feeds.held_lease import HeldLease
from millrace_feeds.lease import Lease, LeaseStore
from millrace_feeds.lease_rules import LeaseView, plan_leases, plan_sync, request_handover, take_over
from millrace_feeds.settings import ConsumerSettings
from millrace_feeds.shard_worker import ShardWorker
from millrace_feeds.transport import Transport

logger = logging.getLogger(__name__)


class LeaseCoordinator:
    """Updates the lease table when shards change, takes leases, and runs a `ShardWorker` for each lease it holds."""

    def __init__(
        self,
        *,
        stream: str,
        worker: str,
        transport: Transport,
        leases: LeaseStore,
        clock: Clock,
        settings: ConsumerSettings,
        create_worker: Callable[[HeldLease], ShardWorker],
    ) -> None:
        self._stream = stream
        self._worker = worker
        self._transport = transport
        self._leases = leases
        self._clock = clock
        self._settings = settings
        self._create_worker = create_worker
        self._view = LeaseView(settings.leases.failover)
        # Seeded with the name, so that workers choose differently and a test run is repeatable.
        self._random = random.Random(worker)  # noqa: S311
        self._workers: dict[str, ShardWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._sync_due = True
        self._synced_at = 0.0
        self._seen_at: float | None = None

    @property
    def workers(self) -> tuple[ShardWorker, ...]:
        return tuple(self._workers.values())

    @property
    def has_current_view(self) -> bool:
        """Whether the lease table was read within the failover time plus one interval."""
        leases = self._settings.leases
        limit = leases.failover + leases.take_interval
        return self._seen_at is not None and self._clock.monotonic() - self._seen_at <= limit

    async def run(self) -> None:
        """Run until cancelled; then let every shard finish its running calls and release its lease."""
        failures = 0
        try:
            while True:
                try:
                    pause = await self._coordinate()
                    failures = 0
                except Unavailable as error:
                    failures += 1
                    pause = self._settings.read_backoff.delay(failures)
                    if failures == 1:
                        logger.warning("worker %s: no access to leases of %s: %s", self._worker, self._stream, error)
                await self._wait(pause)
        finally:
            await self._stop()

    async def _wait(self, seconds: float) -> None:
        """Wait `seconds`, or until a shard is finished."""
        handle = asyncio.get_running_loop().call_later(seconds, self._wake.set)
        await self._wake.wait()
        handle.cancel()
        self._wake.clear()

    async def _coordinate(self) -> float:
        """Read the lease table, take or request leases, and return the seconds to wait before the next call."""
        now = self._clock.monotonic()
        rows = await self._leases.list()
        if self._sync_due or now - self._synced_at >= self._settings.leases.sync_interval:
            await self._sync(rows)
            now = self._clock.monotonic()
            rows = await self._leases.list()
        self._view.observe(rows, now)
        self._seen_at = now
        rotation = self._random.randrange(1_000_003)
        step = plan_leases(rows, self._view, worker=self._worker, running=self._tasks, now=now, rotation=rotation)
        for lease in step.take:
            await self._take(lease)
        if step.steal is not None:
            await self._leases.update(request_handover(step.steal, self._worker), step.steal.counter)
        handover_pending = step.steal is not None or any(
            row.owner == self._worker and row.holder != self._worker for row in rows
        )
        interval = self._settings.leases.take_interval
        return min(1.0, interval) if handover_pending else interval

    async def _sync(self, rows: list[Lease]) -> None:
        shards = await self._transport.list_shards(self._stream)
        change = plan_sync(shards, rows, self._settings.start)
        for lease in change.create:
            await self._leases.create(lease)
        for lease in change.remove:
            if not lease.is_ended:
                logger.warning("stream %s no longer has shard %s: deleting its lease", self._stream, lease.key)
            await self._leases.delete(lease.key, lease.counter)
        self._sync_due = False
        self._synced_at = self._clock.monotonic()

    async def _take(self, lease: Lease) -> None:
        row = take_over(lease, self._worker)
        if lease.key in self._tasks or not await self._leases.update(row, lease.counter):
            return
        held = HeldLease(
            row, store=self._leases, worker=self._worker, clock=self._clock, failover=self._settings.leases.failover
        )
        worker = self._create_worker(held)
        task = asyncio.create_task(worker.run(), name=f"{self._stream}/{lease.key}")
        self._workers[lease.key], self._tasks[lease.key] = worker, task
        task.add_done_callback(lambda done: self._on_worker_done(lease.key, done))

    def _on_worker_done(self, key: str, task: asyncio.Task[None]) -> None:
        worker = self._workers.pop(key)
        del self._tasks[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            # The lease still names this worker, so the next step starts the shard again at its checkpoint.
            logger.error("worker %s: shard %s failed", self._worker, key, exc_info=error)
        elif worker.is_finished:
            self._sync_due = True
            self._wake.set()

    async def _stop(self) -> None:
        for worker in self.workers:
            worker.stop()
        tasks = list(self._tasks.values())
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for task in tasks:
                task.cancel()
