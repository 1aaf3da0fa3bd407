"""One worker's part in sharing out the leases; the rules are in `lease_rules`, this only carries them out."""

import asyncio
import logging
import random
from collections.abc import Callable

from millrace_feeds.clock import Clock
from millrace_feeds.errors import Unavailable
from millrace_feeds.held_lease import HeldLease
from millrace_feeds.lease import Lease, LeaseStore
from millrace_feeds.lease_rules import LeaseView, plan, requested, sync, taken
from millrace_feeds.settings import ConsumerSettings
from millrace_feeds.shard import ShardWorker
from millrace_feeds.transport import Transport

logger = logging.getLogger(__name__)


class Coordinator:
    """Keeps the lease table in line with the stream, takes and hands over leases, runs a `ShardWorker` for each."""

    def __init__(
        self,
        *,
        stream: str,
        worker: str,
        transport: Transport,
        leases: LeaseStore,
        clock: Clock,
        settings: ConsumerSettings,
        work_on: Callable[[HeldLease], ShardWorker],
    ) -> None:
        self._stream = stream
        self._worker = worker
        self._transport = transport
        self._leases = leases
        self._clock = clock
        self._settings = settings
        self._work_on = work_on
        self._view = LeaseView(settings.leases.failover)
        # Spreads the workers' choices; the seed makes a run repeatable.
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
    def seen_recently(self) -> bool:
        """Whether the lease table answered within the last failover time and a turn."""
        leases = self._settings.leases
        limit = leases.failover + leases.take_interval
        return self._seen_at is not None and self._clock.monotonic() - self._seen_at <= limit

    async def run(self) -> None:
        """Until cancelled; then every shard finishes its running calls and lets its lease go."""
        failures = 0
        try:
            while True:
                try:
                    pause = await self._turn()
                    failures = 0
                except Unavailable as error:
                    failures += 1
                    pause = self._settings.read_backoff.delay(failures)
                    if failures == 1:
                        logger.warning("worker %s: leases of %s: %s", self._worker, self._stream, error)
                await self._sleep(pause)
        finally:
            await self._stop()

    async def _sleep(self, seconds: float) -> None:
        """Until the time is over or a shard has ended."""
        handle = asyncio.get_running_loop().call_later(seconds, self._wake.set)
        await self._wake.wait()
        handle.cancel()
        self._wake.clear()

    async def _turn(self) -> float:
        """Look at the table once and act on it; the seconds until the next look."""
        now = self._clock.monotonic()
        rows = await self._leases.list()
        if self._sync_due or now - self._synced_at >= self._settings.leases.sync_interval:
            await self._sync(rows)
            now = self._clock.monotonic()
            rows = await self._leases.list()
        self._view.observe(rows, now)
        self._seen_at = now
        turn = self._random.randrange(1_000_003)
        step = plan(rows, self._view, worker=self._worker, running=self._tasks, now=now, turn=turn)
        for lease in step.take:
            await self._take(lease)
        if step.steal is not None:
            await self._leases.update(requested(step.steal, self._worker), step.steal.counter)
        handed_soon = step.steal is not None or any(
            row.owner == self._worker and row.holder != self._worker for row in rows
        )
        interval = self._settings.leases.take_interval
        return min(1.0, interval) if handed_soon else interval

    async def _sync(self, rows: list[Lease]) -> None:
        shards = await self._transport.list_shards(self._stream)
        change = sync(shards, rows, self._settings.start)
        for lease in change.create:
            await self._leases.create(lease)
        for lease in change.remove:
            if not lease.ended:
                logger.warning("stream %s knows no shard %s any more: its lease goes", self._stream, lease.key)
            await self._leases.delete(lease.key, lease.counter)
        self._sync_due = False
        self._synced_at = self._clock.monotonic()

    async def _take(self, lease: Lease) -> None:
        row = taken(lease, self._worker)
        if lease.key in self._tasks or not await self._leases.update(row, lease.counter):
            return
        held = HeldLease(
            row,
            store=self._leases,
            worker=self._worker,
            clock=self._clock,
            failover=self._settings.leases.failover,
        )
        worker = self._work_on(held)
        task = asyncio.create_task(worker.run(), name=f"{self._stream}/{lease.key}")
        self._workers[lease.key], self._tasks[lease.key] = worker, task
        task.add_done_callback(lambda done: self._finished(lease.key, done))

    def _finished(self, key: str, task: asyncio.Task[None]) -> None:
        worker = self._workers.pop(key)
        del self._tasks[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            # The lease still names this worker, so that the next turn starts the shard again at its checkpoint.
            logger.error("worker %s: shard %s failed", self._worker, key, exc_info=error)
        elif worker.ended:
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
