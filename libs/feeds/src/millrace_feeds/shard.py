"""Working on one shard: read, hand to the handler, checkpoint behind the effects."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from millrace_feeds.clock import Clock
from millrace_feeds.dead_letters import DeadLetter, DeadLetters
from millrace_feeds.delivery import Delivery, Portion, Verdict
from millrace_feeds.errors import ExpiredIterator, FeedError, InvalidRecord, NotFound, Unavailable, UnknownPosition
from millrace_feeds.handler import Handler, Outage
from millrace_feeds.held_lease import HeldLease, LeaseLost
from millrace_feeds.settings import ConsumerSettings
from millrace_feeds.status import ShardStatus
from millrace_feeds.telemetry import ConsumerMeter
from millrace_feeds.tracing import handle_span
from millrace_feeds.transport import TRIM_HORIZON, Record, ShardIterator, Transport

logger = logging.getLogger(__name__)


class HandlerTooSlow(FeedError):  # noqa: N818 # as its siblings in errors.py
    """A call of the handler took longer than it may."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What all shards of a consumer share."""

    application: str
    stream: str
    transport: Transport
    dead_letters: DeadLetters
    handler: Handler
    outage: Outage
    clock: Clock
    settings: ConsumerSettings
    meter: ConsumerMeter


class ShardWorker:
    """Works on one shard while its lease is held; `run` ends with the shard, the lease, or after `stop`."""

    def __init__(self, wiring: Wiring, held: HeldLease) -> None:
        settings = wiring.settings
        self._wiring = wiring
        self._held = held
        self._delivery = Delivery(
            settings.retry, batch_records=settings.batch_records, max_in_flight=settings.max_in_flight
        )
        self._read_to = held.lease.checkpoint
        self._calls: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._stopping = held.asked
        self._ended = False
        self._read_failures = 0
        self._behind_ms: int | None = None

    @property
    def reading(self) -> bool:
        """Whether the stream answered last time."""
        return self._read_failures == 0

    @property
    def ended(self) -> bool:
        """Whether the shard was worked off to its end."""
        return self._ended and self._delivery.held == 0

    def status(self) -> ShardStatus:
        lease = self._held.lease
        return ShardStatus(lease.key, lease.checkpoint, self._behind_ms, self._delivery.held)

    def stop(self) -> None:
        """Take nothing new; finish the running calls within the drain timeout, then let the lease go."""
        if not self._stopping:
            self._stopping = True
            asyncio.get_running_loop().call_later(self._wiring.settings.drain_timeout, self._abandon)
            self._wake.set()

    async def run(self) -> None:
        """Ends quietly, also when the lease was lost."""
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [group.create_task(self._read()), group.create_task(self._beat())]
                await self._dispatch(group)
                for helper in helpers:
                    helper.cancel()
            await self._let_go()
        except* LeaseLost as lost:
            logger.warning("%s: lost lease %s", self._wiring.application, lost.exceptions[0])

    def _position(self) -> str:
        return self._delivery.position or self._held.lease.checkpoint

    def _abandon(self) -> None:
        for call in self._calls:
            call.cancel()

    # Reading

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        iterator: ShardIterator | None = None
        while not self._stopping:
            next_read = loop.time() + self._wiring.settings.poll_interval
            try:
                iterator = await self._read_page(iterator)
                self._read_failures = 0
            except (ExpiredIterator, UnknownPosition, Unavailable) as error:
                iterator = None if not isinstance(error, Unavailable) or isinstance(error, NotFound) else iterator
                next_read = max(next_read, loop.time() + self._read_failed(error))
            if self._ended:
                return
            await asyncio.sleep(max(0.0, next_read - loop.time()))

    async def _read_page(self, iterator: ShardIterator | None) -> ShardIterator | None:
        wiring = self._wiring
        # Asking for a handful of records each time one has been handled would spend more on reading than on handling.
        wanted = min(wiring.settings.fetch_records, wiring.settings.max_in_flight)
        while self._delivery.room < wanted:
            self._room.clear()
            await self._room.wait()
        if iterator is None:
            iterator = await wiring.transport.open_iterator(wiring.stream, self._held.lease.key, self._read_to)
        page = await wiring.transport.get_records(iterator, wanted)
        self._behind_ms = page.behind_ms
        wiring.meter.lags(iterator.shard_id, page.behind_ms)
        if page.records:
            self._read_to = page.records[-1].sequence
            self._delivery.add(page.records)
        self._ended = page.next is None
        if page.records or self._ended:
            self._wake.set()
        return page.next

    def _read_failed(self, error: FeedError) -> float:
        """Seconds to wait before the next read."""
        if isinstance(error, ExpiredIterator):
            return 0.0
        if isinstance(error, UnknownPosition):
            logger.warning("%s: %s; reading %s from its start", self._wiring.application, error, self._held.lease.key)
            self._read_to = TRIM_HORIZON
            return 0.0
        self._read_failures += 1
        if self._read_failures == 1:
            logger.warning("%s: can't read %s: %s", self._wiring.application, self._held.lease.key, error)
        return self._wiring.settings.read_backoff.delay(self._read_failures)

    # Handing over

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        while self._calls or not (self._stopping or self.ended):
            self._wake.clear()
            if not self._stopping:
                self._start_calls(group)
            await self._wake.wait()

    def _start_calls(self, group: asyncio.TaskGroup) -> None:
        while len(self._calls) < self._wiring.settings.parallel_calls:
            portion = self._delivery.next(self._wiring.clock.monotonic())
            if portion is None:
                return
            call = group.create_task(self._call(portion))
            self._calls.add(call)
            call.add_done_callback(self._called)

    def _called(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._room.set()
        self._wake.set()
        due = self._delivery.next_due()
        if due is not None:
            delay = max(0.0, due - self._wiring.clock.monotonic())
            asyncio.get_running_loop().call_later(delay, self._wake.set)

    async def _call(self, portion: Portion) -> None:
        records = portion.records
        try:
            await self._handle(records)
        except InvalidRecord as invalid:
            if invalid.record in records:
                await self._park(portion, invalid.record, invalid.reason)
            else:
                await self._failed(portion, invalid)
        except Exception as error:  # whatever a handler raises is judged and, at the end, parked
            await self._failed(portion, error)
        else:
            self._wiring.meter.applied(records)
            self._delivery.succeeded(portion, self._wiring.clock.monotonic())

    async def _handle(self, records: Sequence[Record]) -> None:
        limit = self._wiring.settings.handle_timeout
        with handle_span(self._wiring.application, records):
            try:
                async with asyncio.timeout(limit) as timeout:
                    await self._wiring.handler.handle(records)
            except TimeoutError as error:
                if timeout.expired():
                    raise HandlerTooSlow(f"the handler took more than {limit:g} s") from None
                raise error

    async def _failed(self, portion: Portion, error: Exception) -> None:
        wiring = self._wiring
        wiring.meter.failed(error)
        now = wiring.clock.monotonic()
        if wiring.outage(error):
            if portion.outages == 0:
                logger.warning("%s: %d records wait: %s", wiring.application, len(portion.tickets), _text(error))
            self._delivery.delayed(portion, now)
        elif self._delivery.failed(portion, now) is Verdict.PARK:
            await self._park(portion, portion.tickets[0].record, _text(error))

    async def _park(self, portion: Portion, record: Record, reason: str) -> None:
        wiring = self._wiring
        letter = DeadLetter.of(
            record,
            application=wiring.application,
            reason=reason,
            attempts=max(1, portion.tries),
            parked=wiring.clock.time(),
        )
        try:
            await wiring.dead_letters.park(letter)
        except Exception as error:  # a record that can't be parked must not be passed over
            logger.warning("%s: can't park %s: %s", wiring.application, letter.id, _text(error))
            self._delivery.delayed(portion, wiring.clock.monotonic())
            return
        logger.warning("%s: parked %s: %s", wiring.application, letter.id, reason)
        wiring.meter.put_aside()
        self._delivery.parked(portion, record, wiring.clock.monotonic())

    # The lease

    async def _beat(self) -> None:
        settings = self._wiring.settings
        while True:
            await asyncio.sleep(min(settings.checkpoint_interval, settings.leases.renew_interval))
            position = self._position()
            if position == self._held.lease.checkpoint and self._held.silence < settings.leases.renew_interval:
                continue
            try:
                await self._held.beat(position)
            except Unavailable as error:
                if self._held.expired:
                    raise LeaseLost(f"{self._held.lease.key}: no heartbeat landed: {error}") from error
            if self._held.asked:
                self.stop()

    async def _let_go(self) -> None:
        try:
            if self.ended:
                await self._held.end()
            else:
                await self._held.release(self._position())
        except Unavailable as error:
            logger.warning("%s: lease %s is left to expire: %s", self._wiring.application, self._held.lease.key, error)


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
