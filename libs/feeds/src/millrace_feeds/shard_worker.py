"""Process one shard: read it, call the handler, and write a checkpoint after the effects."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from millrace_feeds.clock import Clock
from millrace_feeds.dead_letters import DeadLetter, DeadLetterStore
from millrace_feeds.delivery_queue import Batch, DeliveryQueue, FailureAction
from millrace_feeds.errors import (
    ExpiredIterator,
    FeedError,
    HandlerTooSlow,
    InvalidRecord,
    LeaseLost,
    NotFound,
    Unavailable,
    UnknownPosition,
)
from millrace_feeds.handler import Handler, OutagePredicate
from millrace_feeds.held_lease import HeldLease
from millrace_feeds.settings import ConsumerSettings
from millrace_feeds.status import ShardStatus
from millrace_feeds.telemetry import ConsumerMetrics
from millrace_feeds.tracing import handle_span
from millrace_feeds.transport import TRIM_HORIZON, Record, ShardIterator, Transport

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConsumerContext:
    """The dependencies and settings that all shard workers of a consumer share."""

    application: str
    stream: str
    transport: Transport
    dead_letters: DeadLetterStore
    handler: Handler
    is_outage: OutagePredicate
    clock: Clock
    settings: ConsumerSettings
    metrics: ConsumerMetrics


class ShardWorker:
    """Processes one shard while this worker holds its lease.

    `run` returns when the shard is finished, when the lease is lost, or after `stop`.
    """

    def __init__(self, context: ConsumerContext, held: HeldLease) -> None:
        settings = context.settings
        self._context = context
        self._held = held
        self._queue = DeliveryQueue(
            settings.retry, batch_records=settings.batch_records, max_in_flight=settings.max_in_flight
        )
        self._read_to = held.lease.checkpoint
        self._calls: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._capacity_freed = asyncio.Event()
        self._stopping = held.handover_requested
        self._ended = False
        self._read_failures = 0
        self._behind_ms: int | None = None

    @property
    def is_reading(self) -> bool:
        """Whether the last read succeeded."""
        return self._read_failures == 0

    @property
    def is_finished(self) -> bool:
        """Whether the shard was read to its end and every record was applied or became a dead letter."""
        return self._ended and self._queue.in_flight == 0

    def status(self) -> ShardStatus:
        lease = self._held.lease
        return ShardStatus(lease.key, lease.checkpoint, self._behind_ms, self._queue.in_flight)

    def stop(self) -> None:
        """Start no more calls; make `run` finish the running ones within `drain_timeout` and release the lease."""
        if not self._stopping:
            self._stopping = True
            asyncio.get_running_loop().call_later(self._context.settings.drain_timeout, self._cancel_calls)
            self._wake.set()

    async def run(self) -> None:
        """Process the shard until it ends, the lease is lost (only logged), or `stop` was called."""
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [group.create_task(self._read()), group.create_task(self._renew_lease())]
                await self._dispatch(group)
                for helper in helpers:
                    helper.cancel()
            await self._release_lease()
        except* LeaseLost as lost:
            logger.warning("%s: lost lease %s", self._context.application, lost.exceptions[0])

    def _position(self) -> str:
        return self._queue.position or self._held.lease.checkpoint

    def _cancel_calls(self) -> None:
        for call in self._calls:
            call.cancel()

    # Reading

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        iterator: ShardIterator | None = None
        while not self._stopping:
            next_read = loop.time() + self._context.settings.poll_interval
            try:
                iterator = await self._read_page(iterator)
                self._read_failures = 0
            except (ExpiredIterator, UnknownPosition, Unavailable) as error:
                iterator = None if not isinstance(error, Unavailable) or isinstance(error, NotFound) else iterator
                next_read = max(next_read, loop.time() + self._on_read_error(error))
            if self._ended:
                return
            await asyncio.sleep(max(0.0, next_read - loop.time()))

    async def _read_page(self, iterator: ShardIterator | None) -> ShardIterator | None:
        context = self._context
        # Reading a few records each time some were handled would cost more than handling them.
        wanted = min(context.settings.fetch_records, context.settings.max_in_flight)
        while self._queue.free_capacity < wanted:
            self._capacity_freed.clear()
            await self._capacity_freed.wait()
        if iterator is None:
            iterator = await context.transport.open_iterator(context.stream, self._held.lease.key, self._read_to)
        page = await context.transport.get_records(iterator, wanted)
        self._behind_ms = page.behind_ms
        context.metrics.set_lag(iterator.shard_id, page.behind_ms)
        if page.records:
            self._read_to = page.records[-1].sequence
            self._queue.add(page.records)
        self._ended = page.next is None
        if page.records or self._ended:
            self._wake.set()
        return page.next

    def _on_read_error(self, error: FeedError) -> float:
        """Return the seconds until the next read; go to the shard's start if the checkpoint is unknown."""
        if isinstance(error, ExpiredIterator):
            return 0.0
        if isinstance(error, UnknownPosition):
            logger.warning("%s: %s; reading %s from its start", self._context.application, error, self._held.lease.key)
            self._read_to = TRIM_HORIZON
            return 0.0
        self._read_failures += 1
        if self._read_failures == 1:
            logger.warning("%s: can't read %s: %s", self._context.application, self._held.lease.key, error)
        return self._context.settings.read_backoff.delay(self._read_failures)

    # Delivering

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        while self._calls or not (self._stopping or self.is_finished):
            self._wake.clear()
            if not self._stopping:
                self._start_calls(group)
            await self._wake.wait()

    def _start_calls(self, group: asyncio.TaskGroup) -> None:
        while len(self._calls) < self._context.settings.parallel_calls:
            batch = self._queue.next_batch(self._context.clock.monotonic())
            if batch is None:
                return
            call = group.create_task(self._deliver(batch))
            self._calls.add(call)
            call.add_done_callback(self._on_call_done)

    def _on_call_done(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._capacity_freed.set()
        self._wake.set()
        due = self._queue.next_retry_at()
        if due is not None:
            delay = max(0.0, due - self._context.clock.monotonic())
            asyncio.get_running_loop().call_later(delay, self._wake.set)

    async def _deliver(self, batch: Batch) -> None:
        records = batch.records
        try:
            await self._handle(records)
        except InvalidRecord as invalid:
            if invalid.record in records:
                await self._park(batch, invalid.record, invalid.reason)
            else:
                await self._handle_failure(batch, invalid)
        except Exception as error:  # any error of a handler is retried; the record is parked if it persists
            await self._handle_failure(batch, error)
        else:
            self._context.metrics.count_handled(records)
            self._queue.complete(batch, self._context.clock.monotonic())

    async def _handle(self, records: Sequence[Record]) -> None:
        limit = self._context.settings.handle_timeout
        with handle_span(self._context.application, records):
            try:
                async with asyncio.timeout(limit) as timeout:
                    await self._context.handler.handle(records)
            except TimeoutError as error:
                if timeout.expired():
                    raise HandlerTooSlow(f"the handler took more than {limit:g} s") from None
                raise error

    async def _handle_failure(self, batch: Batch, error: Exception) -> None:
        context = self._context
        context.metrics.count_failure(error)
        now = context.clock.monotonic()
        if context.is_outage(error):
            if batch.outages == 0:
                count = len(batch.entries)
                logger.warning("%s: outage, retrying %d records: %s", context.application, count, _describe(error))
            self._queue.retry_after_outage(batch, now)
        elif self._queue.fail(batch, now) is FailureAction.PARK:
            await self._park(batch, batch.entries[0].record, _describe(error))

    async def _park(self, batch: Batch, record: Record, reason: str) -> None:
        context = self._context
        dead_letter = DeadLetter.from_record(
            record,
            application=context.application,
            reason=reason,
            attempts=max(1, batch.total_attempts),
            parked=context.clock.time(),
        )
        try:
            await context.dead_letters.park(dead_letter)
        except Exception as error:  # a record that can't be parked must not be skipped
            logger.warning("%s: can't park %s: %s", context.application, dead_letter.id, _describe(error))
            self._queue.retry_after_outage(batch, context.clock.monotonic())
            return
        logger.warning("%s: parked %s: %s", context.application, dead_letter.id, reason)
        context.metrics.count_parked()
        self._queue.mark_parked(batch, record, context.clock.monotonic())

    # The lease

    async def _renew_lease(self) -> None:
        settings = self._context.settings
        while True:
            await asyncio.sleep(min(settings.checkpoint_interval, settings.leases.renew_interval))
            position = self._position()
            is_fresh = self._held.seconds_since_renewal < settings.leases.renew_interval
            if is_fresh and position == self._held.lease.checkpoint:
                continue
            try:
                await self._held.renew(position)
            except Unavailable as error:
                if self._held.is_expired:
                    raise LeaseLost(f"{self._held.lease.key}: no heartbeat was stored: {error}") from error
            if self._held.handover_requested:
                self.stop()

    async def _release_lease(self) -> None:
        try:
            if self.is_finished:
                await self._held.end()
            else:
                await self._held.release(self._position())
        except Unavailable as error:
            key = self._held.lease.key
            logger.warning("%s: can't release lease %s, it will expire: %s", self._context.application, key, error)


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
