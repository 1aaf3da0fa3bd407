"""Consumers with the in-memory transport in virtual time."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from millrace_feeds.backoff import Backoff
from millrace_feeds.consumer import Consumer
from millrace_feeds.dead_letters import DeadLetter, MemoryDeadLetterStore, redrive
from millrace_feeds.errors import DeadLetterNotFound, DeadLetterWithoutBody, InvalidRecord, NotFound, Unavailable
from millrace_feeds.lag import read_lag
from millrace_feeds.lease import Lease, MemoryLeaseStore
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.settings import ConsumerSettings, LeaseSettings, RetryPolicy
from millrace_feeds.testing import VirtualClock, elapse, virtual_time
from millrace_feeds.transport import LATEST, SHARD_END, OutgoingRecord, Record

STREAM = "changes"
SETTINGS = ConsumerSettings(
    retry=RetryPolicy(batch_attempts=2, record_attempts=3, backoff=Backoff(0.1, 2, 1.0)),
    leases=LeaseSettings(failover=10, renew_interval=3, take_interval=3, sync_interval=10),
    drain_timeout=5.0,
    handle_timeout=30.0,
)


class DeletableLeaseStore(MemoryLeaseStore):
    """A lease table that can be deleted."""

    is_deleted = False

    async def list(self) -> list[Lease]:
        if self.is_deleted:
            raise NotFound("no table")
        return await super().list()

    def delete_table(self) -> None:
        self.is_deleted = True
        self._leases.clear()


@dataclass
class Collector:
    """A handler that collects the applied records; `fail` may raise for a record."""

    fail: Callable[[Record], None] = lambda record: None
    seconds: float = 0.0
    applied: list[Record] = field(default_factory=list)
    started: int = 0

    async def handle(self, records: Sequence[Record]) -> None:
        self.started += 1
        await elapse(self.seconds)
        for record in records:
            self.fail(record)
        self.applied += records

    @property
    def bodies(self) -> list[bytes]:
        return [record.body for record in self.applied]


class Harness:
    """A stream, its stores, and consumers of it."""

    def __init__(self, shards: int = 1) -> None:
        self.transport = MemoryTransport(clock=VirtualClock())
        self.transport.create_stream(STREAM, shards)
        self.leases = DeletableLeaseStore()
        self.dead_letters = MemoryDeadLetterStore()
        self.tasks: list[asyncio.Task[None]] = []

    def consumer(self, handler: Collector, worker: str = "worker", settings: ConsumerSettings = SETTINGS) -> Consumer:
        return Consumer(
            application="app",
            stream=STREAM,
            transport=self.transport,
            leases=self.leases,
            dead_letters=self.dead_letters,
            handler=handler,
            worker=worker,
            clock=VirtualClock(),
            settings=settings,
        )

    def start(self, consumer: Consumer) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(consumer.run()))
        return self.tasks[-1]

    async def put(self, *records: tuple[str, bytes]) -> None:
        assert not any(await self.transport.put_records(STREAM, [OutgoingRecord(*record) for record in records]))

    async def parked(self) -> list[DeadLetter]:
        return [each async for each in self.dead_letters.list("app")]

    async def checkpoints(self) -> dict[str, str]:
        return {lease.key: lease.checkpoint for lease in await self.leases.list()}


async def cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@virtual_time
async def test_checkpoint_follows_applied_records() -> None:
    harness, handler = Harness(), Collector()
    consumer = harness.consumer(handler)
    harness.start(consumer)
    await harness.put(*((f"key-{n}", b"%d" % n) for n in range(50)))
    await elapse(3)
    assert Counter(handler.bodies) == Counter(b"%d" % n for n in range(50))
    last = harness.transport.records(STREAM, "shardId-000000000000")[-1]
    assert await harness.checkpoints() == {"shardId-000000000000": last.sequence}
    status = consumer.status()
    assert (status.handled, status.parked, status.dead_letters, status.lag_ms) == (50, 0, 0, 0)
    assert [shard.position for shard in status.shards] == [last.sequence]
    assert consumer.healthy


@virtual_time
async def test_failing_record_is_parked_with_reason() -> None:
    def fail(record: Record) -> None:
        if record.body == b"poison":
            raise ValueError("no such plan")

    harness, handler = Harness(), Collector(fail)
    harness.start(harness.consumer(handler))
    await harness.put(("a", b"1"), ("b", b"poison"), ("c", b"1"), ("b", b"2"))
    await elapse(10)
    assert sorted((each.key, each.body) for each in handler.applied) == [("a", b"1"), ("b", b"2"), ("c", b"1")]
    (dead_letter,) = await harness.parked()
    assert (dead_letter.key, dead_letter.body, dead_letter.reason) == ("b", b"poison", "ValueError: no such plan")
    assert dead_letter.attempts > 3
    assert dead_letter.sequence == harness.transport.records(STREAM, dead_letter.shard_id)[1].sequence


@virtual_time
async def test_other_keys_proceed_while_record_is_retried() -> None:
    def fail(record: Record) -> None:
        if record.key == "bad":
            raise ValueError("still not")

    slow = replace(SETTINGS, retry=RetryPolicy(batch_attempts=1, record_attempts=50, backoff=Backoff(5, 1, 5)))

    harness, handler = Harness(), Collector(fail)
    harness.start(harness.consumer(handler, settings=slow))
    await harness.put(("bad", b"0"))
    await elapse(1)
    await harness.put(("good", b"1"), ("good", b"2"))
    await elapse(2)
    assert handler.bodies == [b"1", b"2"]
    assert await harness.checkpoints() == {"shardId-000000000000": "TRIM_HORIZON"}


@virtual_time
async def test_invalid_record_is_parked_immediately() -> None:
    def fail(record: Record) -> None:
        if not record.body:
            raise InvalidRecord(record, "no body")

    harness, handler = Harness(), Collector(fail)
    harness.start(harness.consumer(handler))
    await harness.put(("a", b"1"), ("b", b""), ("c", b"3"))
    await elapse(2)
    assert handler.bodies == [b"1", b"3"]
    assert [(each.key, each.reason) for each in await harness.parked()] == [("b", "no body")]


@pytest.mark.parametrize("error", [ConnectionError("refused"), Unavailable("connection refused"), TimeoutError()])
@virtual_time
async def test_nothing_is_parked_during_outage(error: Exception) -> None:
    is_down = True

    def fail(record: Record) -> None:
        if is_down:
            raise error

    harness, handler = Harness(), Collector(fail)
    harness.start(harness.consumer(handler))
    await harness.put(("a", b"1"), ("b", b"2"))
    await elapse(600)
    assert handler.bodies == []
    is_down = False
    await elapse(6)
    assert sorted(handler.bodies) == [b"1", b"2"]
    assert await harness.parked() == []


@virtual_time
async def test_record_is_parked_when_handler_hangs() -> None:
    class HangingHandler(Collector):
        async def handle(self, records: Sequence[Record]) -> None:
            if any(record.body == b"hang" for record in records):
                await asyncio.Event().wait()
            await super().handle(records)

    harness, handler = Harness(), HangingHandler()
    harness.start(harness.consumer(handler))
    await harness.put(("a", b"hang"), ("b", b"2"))
    await elapse(300)
    assert handler.bodies == [b"2"]
    assert [each.reason for each in await harness.parked()] == ["HandlerTooSlow: the handler took more than 30 s"]


@virtual_time
async def test_cancelled_consumer_finishes_call_and_releases_leases() -> None:
    harness, handler = Harness(), Collector(seconds=2.0)
    task = harness.start(harness.consumer(handler))
    await harness.put(("a", b"1"))
    await elapse(1)
    assert (handler.started, handler.bodies) == (1, [])
    await cancel(task)
    assert handler.bodies == [b"1"]
    (lease,) = await harness.leases.list()
    assert lease.owner is None
    assert lease.checkpoint == handler.applied[0].sequence


@virtual_time
async def test_new_worker_gets_share_without_repeats() -> None:
    harness = Harness(shards=4)
    first, second = Collector(seconds=0.7), Collector(seconds=0.7)
    one, other = harness.consumer(first, "one"), harness.consumer(second, "other")
    harness.start(one)

    async def write() -> None:
        for n in range(300):
            await harness.put((f"key-{n % 20}", b"%d" % n))
            await elapse(0.1)

    writing = asyncio.create_task(write())
    await elapse(5)
    harness.start(other)
    await writing
    await elapse(5)
    assert (len(one.status().shards), len(other.status().shards)) == (2, 2)
    assert Counter(first.bodies + second.bodies) == Counter(b"%d" % n for n in range(300))


@pytest.mark.parametrize(("name", "wait"), [("worker", 4.0), ("another", 14.0)])
@virtual_time
async def test_restart_after_crash_by_worker_name(name: str, wait: float) -> None:
    harness, handler = Harness(), Collector()
    await harness.put(("a", b"1"))
    await harness.leases.create(Lease("shardId-000000000000", owner="worker", counter=7, checkpoint="TRIM_HORIZON"))
    harness.start(harness.consumer(handler, name))
    await elapse(wait - 3.5)
    applied_early = list(handler.bodies)
    await elapse(3.5)
    assert handler.bodies == [b"1"]
    assert applied_early == ([b"1"] if name == "worker" else [])


@virtual_time
async def test_children_are_read_after_parents_end() -> None:
    harness, handler = Harness(), Collector()
    consumer = harness.consumer(handler)
    harness.start(consumer)
    written = []
    for step in range(4):
        records = [(f"key-{n}", b"%d" % (step * 10 + n)) for n in range(10)]
        await harness.put(*records)
        written += records
        shards = harness.transport.open_shards(STREAM)
        if step % 2:
            harness.transport.merge(STREAM, shards[0].shard_id, shards[1].shard_id)
        else:
            harness.transport.split(STREAM, shards[0].shard_id)
        await elapse(0.3)
    await elapse(40)
    for key in {key for key, _ in written}:
        of_key = [record.body for record in handler.applied if record.key == key]
        assert of_key == [body for k, body in written if k == key]
    assert SHARD_END not in (await harness.checkpoints()).values(), "leases of ended shards are removed"
    assert len(consumer.status().shards) == 1


@virtual_time
async def test_start_at_latest_skips_earlier_records() -> None:
    harness, handler = Harness(), Collector()
    await harness.put(("a", b"before"))
    harness.start(harness.consumer(handler, settings=replace(SETTINGS, start=LATEST)))
    await elapse(3)
    await harness.put(("a", b"after"))
    await elapse(3)
    assert handler.bodies == [b"after"]


@virtual_time
async def test_recreated_stream_is_read_from_start() -> None:
    harness, handler = Harness(), Collector()
    consumer = harness.consumer(handler)
    harness.start(consumer)
    await harness.put(("a", b"1"))
    await elapse(3)
    harness.transport.delete_stream(STREAM)
    await elapse(60)
    assert not consumer.healthy
    with pytest.raises(Unavailable):
        await consumer.check()
    harness.transport.create_stream(STREAM)
    await harness.put(("a", b"2"), ("b", b"3"))
    await elapse(60)
    assert handler.bodies == [b"1", b"2", b"3"]
    assert consumer.healthy


@virtual_time
async def test_deleted_lease_table_causes_repeats_but_no_loss() -> None:
    harness, handler = Harness(), Collector()
    consumer = harness.consumer(handler)
    harness.start(consumer)
    await harness.put(("a", b"1"))
    await elapse(3)
    harness.leases.delete_table()
    await elapse(60)
    assert not consumer.healthy
    harness.leases.is_deleted = False
    await harness.put(("a", b"2"))
    await elapse(60)
    assert handler.bodies[-1] == b"2"
    assert set(handler.bodies) == {b"1", b"2"}
    assert consumer.healthy


@virtual_time
async def test_redrive_publishes_record_and_removes_dead_letter() -> None:
    broken = True

    def fail(record: Record) -> None:
        if broken:
            raise ValueError("a bug")

    harness, handler = Harness(), Collector(fail)
    harness.start(harness.consumer(handler))
    await harness.put(("a", b"1"))
    await elapse(5)
    (dead_letter,) = await harness.parked()
    broken = False
    await redrive(harness.dead_letters, harness.transport, dead_letter.id)
    await elapse(5)
    assert handler.bodies == [b"1"]
    assert await harness.parked() == []
    with pytest.raises(DeadLetterNotFound):
        await redrive(harness.dead_letters, harness.transport, dead_letter.id)
    await harness.dead_letters.park(replace(dead_letter, body=None))
    with pytest.raises(DeadLetterWithoutBody):
        await redrive(harness.dead_letters, harness.transport, dead_letter.id)


@virtual_time
async def test_lag_is_age_of_first_record_after_checkpoint() -> None:
    harness = Harness()
    await harness.leases.create(Lease("shardId-000000000000", owner="one", checkpoint="TRIM_HORIZON"))
    await harness.leases.create(Lease("shardId-000000000007", checkpoint="TRIM_HORIZON"))
    (first, other) = await read_lag(harness.transport, STREAM, harness.leases, VirtualClock())
    assert (first.lag_ms, first.worker, other.lag_ms) == (0, "one", None)
    await harness.put(("a", b"1"))
    await elapse(7)
    (first, _) = await read_lag(harness.transport, STREAM, harness.leases, VirtualClock())
    assert first.lag_ms == 7_000
