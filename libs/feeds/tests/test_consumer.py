"""Consumers on the memory transport and virtual time: what a service sees of them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from millrace_feeds.consumer import Consumer
from millrace_feeds.dead_letters import DeadLetter, LetterWithoutBody, MemoryDeadLetters, UnknownLetter, redrive
from millrace_feeds.errors import InvalidRecord, NotFound, Unavailable
from millrace_feeds.lag import read_lag
from millrace_feeds.lease import Lease, MemoryLeaseStore
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.settings import Backoff, ConsumerSettings, LeaseSettings, RetryPolicy
from millrace_feeds.testing import VirtualClock, elapse, run_virtual
from millrace_feeds.transport import LATEST, SHARD_END, Outgoing, Record

STREAM = "changes"
SETTINGS = ConsumerSettings(
    retry=RetryPolicy(batch_attempts=2, record_attempts=3, backoff=Backoff(0.1, 2, 1.0)),
    leases=LeaseSettings(failover=10, renew_interval=3, take_interval=3, sync_interval=10),
    drain_timeout=5.0,
    handle_timeout=30.0,
)


class MortalLeaseStore(MemoryLeaseStore):
    """A lease table that can vanish."""

    gone = False

    async def list(self) -> list[Lease]:
        if self.gone:
            raise NotFound("no table")
        return await super().list()

    def vanish(self) -> None:
        self.gone = True
        self._leases.clear()


@dataclass
class Collector:
    """A handler that remembers; `fail` may raise for a record."""

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


class Place:
    """A stream and its stores, and consumers on them."""

    def __init__(self, shards: int = 1) -> None:
        self.transport = MemoryTransport(clock=VirtualClock())
        self.transport.create_stream(STREAM, shards)
        self.leases = MortalLeaseStore()
        self.letters = MemoryDeadLetters()
        self.tasks: list[asyncio.Task[None]] = []

    def consumer(self, handler: Collector, worker: str = "worker", settings: ConsumerSettings = SETTINGS) -> Consumer:
        return Consumer(
            application="app",
            stream=STREAM,
            transport=self.transport,
            leases=self.leases,
            dead_letters=self.letters,
            handler=handler,
            worker=worker,
            clock=VirtualClock(),
            settings=settings,
        )

    def start(self, consumer: Consumer) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(consumer.run()))
        return self.tasks[-1]

    async def put(self, *records: tuple[str, bytes]) -> None:
        assert not any(await self.transport.put_records(STREAM, [Outgoing(*record) for record in records]))

    async def parked(self) -> list[DeadLetter]:
        return [letter async for letter in self.letters.list("app")]

    async def checkpoints(self) -> dict[str, str]:
        return {lease.key: lease.checkpoint for lease in await self.leases.list()}


async def cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def test_records_are_applied_and_the_checkpoint_follows() -> None:
    async def scenario() -> None:
        place, handler = Place(), Collector()
        consumer = place.consumer(handler)
        place.start(consumer)
        await place.put(*((f"key-{n}", b"%d" % n) for n in range(50)))
        await elapse(3)
        assert Counter(handler.bodies) == Counter(b"%d" % n for n in range(50))
        last = place.transport.records(STREAM, "shardId-000000000000")[-1]
        assert await place.checkpoints() == {"shardId-000000000000": last.sequence}
        status = consumer.status()
        assert (status.handled, status.parked, status.dead_letters, status.lag_ms) == (50, 0, 0, 0)
        assert [shard.position for shard in status.shards] == [last.sequence]
        assert consumer.healthy

    run_virtual(scenario())


def test_a_poison_record_is_parked_with_its_reason_and_holds_up_no_other_key() -> None:
    def fail(record: Record) -> None:
        if record.body == b"poison":
            raise ValueError("no such plan")

    async def scenario() -> None:
        place, handler = Place(), Collector(fail)
        place.start(place.consumer(handler))
        await place.put(("a", b"1"), ("b", b"poison"), ("c", b"1"), ("b", b"2"))
        await elapse(10)
        assert sorted(handler.applied, key=lambda record: record.key) == sorted(
            (record for record in place.transport.records(STREAM, "shardId-000000000000") if record.body != b"poison"),
            key=lambda record: record.key,
        )
        (letter,) = await place.parked()
        assert (letter.key, letter.body, letter.reason) == ("b", b"poison", "ValueError: no such plan")
        assert letter.attempts > 3
        assert letter.sequence == place.transport.records(STREAM, letter.shard_id)[1].sequence

    run_virtual(scenario())


def test_while_a_record_is_retried_other_keys_go_on() -> None:
    def fail(record: Record) -> None:
        if record.key == "bad":
            raise ValueError("still not")

    slow = replace(SETTINGS, retry=RetryPolicy(batch_attempts=1, record_attempts=50, backoff=Backoff(5, 1, 5)))

    async def scenario() -> None:
        place, handler = Place(), Collector(fail)
        place.start(place.consumer(handler, settings=slow))
        await place.put(("bad", b"0"))
        await elapse(1)
        await place.put(("good", b"1"), ("good", b"2"))
        await elapse(2)
        assert handler.bodies == [b"1", b"2"]
        assert await place.checkpoints() == {"shardId-000000000000": "TRIM_HORIZON"}

    run_virtual(scenario())


def test_an_invalid_record_is_parked_at_once_and_the_rest_is_applied() -> None:
    def fail(record: Record) -> None:
        if not record.body:
            raise InvalidRecord(record, "no body")

    async def scenario() -> None:
        place, handler = Place(), Collector(fail)
        place.start(place.consumer(handler))
        await place.put(("a", b"1"), ("b", b""), ("c", b"3"))
        await elapse(2)
        assert handler.bodies == [b"1", b"3"]
        assert [(letter.key, letter.reason) for letter in await place.parked()] == [("b", "no body")]

    run_virtual(scenario())


@pytest.mark.parametrize("error", [ConnectionError("refused"), Unavailable("away"), TimeoutError()])
def test_while_a_store_is_away_nothing_is_parked(error: Exception) -> None:
    async def scenario() -> None:
        away = True

        def fail(record: Record) -> None:
            if away:
                raise error

        place, handler = Place(), Collector(fail)
        place.start(place.consumer(handler))
        await place.put(("a", b"1"), ("b", b"2"))
        await elapse(600)
        assert handler.bodies == []
        away = False
        await elapse(6)
        assert sorted(handler.bodies) == [b"1", b"2"]
        assert await place.parked() == []

    run_virtual(scenario())


def test_a_handler_that_hangs_on_a_record_parks_it() -> None:
    class Hanging(Collector):
        async def handle(self, records: Sequence[Record]) -> None:
            if any(record.body == b"hang" for record in records):
                await asyncio.Event().wait()
            await super().handle(records)

    async def scenario() -> None:
        place, handler = Place(), Hanging()
        place.start(place.consumer(handler))
        await place.put(("a", b"hang"), ("b", b"2"))
        await elapse(300)
        assert handler.bodies == [b"2"]
        assert [letter.reason for letter in await place.parked()] == ["HandlerTooSlow: the handler took more than 30 s"]

    run_virtual(scenario())


def test_a_cancelled_consumer_finishes_its_call_and_gives_its_leases_back() -> None:
    async def scenario() -> None:
        place, handler = Place(), Collector(seconds=2.0)
        task = place.start(place.consumer(handler))
        await place.put(("a", b"1"))
        await elapse(1)
        assert (handler.started, handler.bodies) == (1, [])
        await cancelled(task)
        assert handler.bodies == [b"1"]
        (lease,) = await place.leases.list()
        assert lease.owner is None
        assert lease.checkpoint == handler.applied[0].sequence

    run_virtual(scenario())


def test_a_newcomer_gets_its_share_and_nothing_is_applied_twice() -> None:
    async def scenario() -> None:
        place = Place(shards=4)
        first, second = Collector(seconds=0.7), Collector(seconds=0.7)
        one, other = place.consumer(first, "one"), place.consumer(second, "other")
        place.start(one)

        async def write() -> None:
            for n in range(300):
                await place.put((f"key-{n % 20}", b"%d" % n))
                await elapse(0.1)

        writing = asyncio.create_task(write())
        await elapse(5)
        place.start(other)
        await writing
        await elapse(5)
        assert (len(one.status().shards), len(other.status().shards)) == (2, 2)
        assert Counter(first.bodies + second.bodies) == Counter(b"%d" % n for n in range(300))

    run_virtual(scenario())


@pytest.mark.parametrize(("name", "wait"), [("worker", 4.0), ("another", 14.0)])
def test_after_a_crash_the_namesake_goes_on_at_once_and_others_after_the_failover_time(name: str, wait: float) -> None:
    async def scenario() -> None:
        place, handler = Place(), Collector()
        await place.put(("a", b"1"))
        await place.leases.create(Lease("shardId-000000000000", owner="worker", counter=7, checkpoint="TRIM_HORIZON"))
        place.start(place.consumer(handler, name))
        await elapse(wait - 3.5)
        applied_early = list(handler.bodies)
        await elapse(3.5)
        assert handler.bodies == [b"1"]
        assert applied_early == ([b"1"] if name == "worker" else [])

    run_virtual(scenario())


def test_children_of_a_reshard_start_after_their_parents_end() -> None:
    async def scenario() -> None:
        place, handler = Place(), Collector()
        consumer = place.consumer(handler)
        place.start(consumer)
        written = []
        for round_ in range(4):
            records = [(f"key-{n}", b"%d" % (round_ * 10 + n)) for n in range(10)]
            await place.put(*records)
            written += records
            shards = place.transport.open_shards(STREAM)
            if round_ % 2:
                place.transport.merge(STREAM, shards[0].shard_id, shards[1].shard_id)
            else:
                place.transport.split(STREAM, shards[0].shard_id)
            await elapse(0.3)
        await elapse(40)
        for key in {key for key, _ in written}:
            mine = [record.body for record in handler.applied if record.key == key]
            assert mine == [body for k, body in written if k == key]
        assert SHARD_END not in (await place.checkpoints()).values(), "ended shards are cleaned up"
        assert len(consumer.status().shards) == 1

    run_virtual(scenario())


def test_starting_at_the_tip_passes_over_what_was_there() -> None:
    async def scenario() -> None:
        place, handler = Place(), Collector()
        await place.put(("a", b"before"))
        place.start(place.consumer(handler, settings=replace(SETTINGS, start=LATEST)))
        await elapse(3)
        await place.put(("a", b"after"))
        await elapse(3)
        assert handler.bodies == [b"after"]

    run_virtual(scenario())


def test_a_stream_that_vanishes_is_waited_for_and_read_from_its_new_start() -> None:
    async def scenario() -> None:
        place, handler = Place(), Collector()
        consumer = place.consumer(handler)
        place.start(consumer)
        await place.put(("a", b"1"))
        await elapse(3)
        place.transport.delete_stream(STREAM)
        await elapse(60)
        assert not consumer.healthy
        with pytest.raises(Unavailable):
            await consumer.check()
        place.transport.create_stream(STREAM)
        await place.put(("a", b"2"), ("b", b"3"))
        await elapse(60)
        assert handler.bodies == [b"1", b"2", b"3"]
        assert consumer.healthy

    run_virtual(scenario())


def test_a_lease_table_that_vanishes_costs_repeats_but_no_record() -> None:
    async def scenario() -> None:
        place, handler = Place(), Collector()
        consumer = place.consumer(handler)
        place.start(consumer)
        await place.put(("a", b"1"))
        await elapse(3)
        place.leases.vanish()
        await elapse(60)
        assert not consumer.healthy
        place.leases.gone = False
        await place.put(("a", b"2"))
        await elapse(60)
        assert handler.bodies[-1] == b"2"
        assert set(handler.bodies) == {b"1", b"2"}
        assert consumer.healthy

    run_virtual(scenario())


def test_a_redriven_record_is_on_its_stream_again_and_its_letter_gone() -> None:
    broken = True

    def fail(record: Record) -> None:
        if broken:
            raise ValueError("a bug")

    async def scenario() -> None:
        nonlocal broken
        place, handler = Place(), Collector(fail)
        place.start(place.consumer(handler))
        await place.put(("a", b"1"))
        await elapse(5)
        (letter,) = await place.parked()
        broken = False
        await redrive(place.letters, place.transport, letter.id)
        await elapse(5)
        assert handler.bodies == [b"1"]
        assert await place.parked() == []
        with pytest.raises(UnknownLetter):
            await redrive(place.letters, place.transport, letter.id)
        await place.letters.park(replace(letter, body=None))
        with pytest.raises(LetterWithoutBody):
            await redrive(place.letters, place.transport, letter.id)

    run_virtual(scenario())


def test_lag_is_the_age_of_the_first_record_behind_the_checkpoint() -> None:
    async def scenario() -> None:
        place = Place()
        await place.leases.create(Lease("shardId-000000000000", owner="one", checkpoint="TRIM_HORIZON"))
        await place.leases.create(Lease("shardId-000000000007", checkpoint="TRIM_HORIZON"))
        (first, other) = await read_lag(place.transport, STREAM, place.leases, VirtualClock())
        assert (first.lag_ms, first.worker, other.lag_ms) == (0, "one", None)
        await place.put(("a", b"1"))
        await elapse(7)
        (first, _) = await read_lag(place.transport, STREAM, place.leases, VirtualClock())
        assert first.lag_ms == 7_000

    run_virtual(scenario())
