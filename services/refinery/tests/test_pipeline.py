"""The whole path from `changes` to `entities`, on the memory transport with faults."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest

from millrace_contracts.envelope import Envelope, decode
from millrace_feeds.backoff import Backoff
from millrace_feeds.clock import SystemClock
from millrace_feeds.consumer import Consumer
from millrace_feeds.dead_letters import MemoryDeadLetterStore, redrive
from millrace_feeds.errors import NotFound
from millrace_feeds.faults import FaultInjector, FaultRates
from millrace_feeds.lease import MemoryLeaseStore
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.publisher import Publisher
from millrace_feeds.settings import ConsumerSettings, PublisherSettings, RetryPolicy
from millrace_feeds.testing import ends_when_cancelled, wait_until
from millrace_feeds.transport import OutgoingRecord
from millrace_refinery.ordering import Limits
from millrace_refinery.refiner import Refiner
from millrace_refinery.states import MemoryStateStore
from millrace_refinery.stats import Stats
from millrace_refinery.sweep import GapSweep, shards_at_tip

from .factories import change, practice

FAST = Backoff(first=0.001, ceiling=0.01)
SETTINGS = ConsumerSettings(poll_interval=0.01, batch_records=20, read_backoff=FAST, retry=RetryPolicy(backoff=FAST))


class CountingTransport(MemoryTransport):
    """Counts puts to a missing stream."""

    missing_stream_puts = 0

    async def put_records(self, stream: str, records: Sequence[OutgoingRecord]) -> Sequence[str | None]:
        try:
            return await super().put_records(stream, records)
        except NotFound:
            self.missing_stream_puts += 1
            raise


class Pipeline:
    """Both streams and the stores of a refinery; `running` runs its consumer and sweep."""

    def __init__(self, faults: FaultInjector | None = None, *, attempts: int = 100) -> None:
        self.transport = CountingTransport(faults=faults)
        self.attempts = attempts
        self.transport.create_stream("changes", 2)
        self.transport.create_stream("entities", 2)
        self.store = MemoryStateStore()
        self.leases = MemoryLeaseStore()
        self.dead_letters = MemoryDeadLetterStore()
        self.stats = Stats()

    def publisher(self, stream: str) -> Publisher:
        settings = PublisherSettings(attempts=self.attempts, backoff=FAST)
        return Publisher(transport=self.transport, stream=stream, settings=settings)

    @asynccontextmanager
    async def running(self, *, gap_wait: float = 60.0) -> AsyncIterator[None]:
        refiner = Refiner(
            store=self.store,
            sink=self.publisher("entities"),
            clock=SystemClock(),
            stats=self.stats,
            limits=Limits(wait=gap_wait),
            max_held=100,
        )
        consumer = Consumer(
            application="refinery",
            stream="changes",
            transport=self.transport,
            leases=self.leases,
            dead_letters=self.dead_letters,
            handler=refiner,
            worker="worker",
            settings=SETTINGS,
        )
        sweep = GapSweep(refiner=refiner, shards=lambda: shards_at_tip(consumer.status()), interval=0.01)
        tasks = [asyncio.create_task(consumer.run()), asyncio.create_task(sweep.run())]
        try:
            yield
        finally:
            assert all([await ends_when_cancelled(task) for task in tasks])

    async def has_dead_letter(self) -> bool:
        return await self.dead_letters.count("refinery") == 1

    def emitted(self) -> list[Envelope]:
        shards = self.transport.open_shards("entities")
        records = [self.transport.records("entities", shard.shard_id) for shard in shards]
        return [decode(record.body) for shard in records for record in shard]

    def first_occurrences(self) -> dict[str, list[int]]:
        """Return the versions by key in the order of their first occurrence."""
        seen: dict[str, list[int]] = defaultdict(list)
        for envelope in self.emitted():
            if envelope.entityversion not in seen[envelope.subject]:
                seen[envelope.subject].append(envelope.entityversion)
        return seen


@pytest.mark.parametrize("seed", range(5))
async def test_versions_arrive_in_order_despite_transport_faults(seed: int) -> None:
    rates = FaultRates(rejected=0.1, ambiguous=0.05, throttled=0.05, lost=0.05, expired=0.05, repeated=0.1)
    randomness = random.Random(seed)
    pipeline = Pipeline(FaultInjector(rates, randomness))
    changes = [change(practice(key=f"k{key}"), version) for version in range(1, 6) for key in range(30)]
    # Two concurrent sources may swap versions of a key.
    changes.sort(key=lambda each: each.entityversion + randomness.uniform(0, 2))
    async with pipeline.running():
        await pipeline.publisher("changes").publish(changes)
        await wait_until(lambda: pipeline.stats.counts["emitted"] == len(changes))
    assert pipeline.first_occurrences() == {f"practice/k{key}": [1, 2, 3, 4, 5] for key in range(30)}
    assert pipeline.stats.versions_skipped == 0


async def test_sweep_skips_a_gap() -> None:
    pipeline = Pipeline()
    async with pipeline.running(gap_wait=0.05):
        await pipeline.publisher("changes").publish([change(practice(), 1), change(practice(), 3)])
        await wait_until(lambda: pipeline.stats.versions_skipped == 1)
    assert pipeline.first_occurrences()["practice/a"] == [1, 3]


async def test_dead_letter_is_redriven() -> None:
    pipeline = Pipeline()
    good = change(practice(), 2)
    broken = msgspec.structs.replace(good, dataschema="urn:millrace:practice:2")
    async with pipeline.running():
        await pipeline.publisher("changes").publish([change(practice(), 1), broken])
        await wait_until(pipeline.has_dead_letter)
        [dead_letter] = [each async for each in pipeline.dead_letters.list("refinery")]
        assert "dataschema" in dead_letter.reason
        await redrive(pipeline.dead_letters, pipeline.transport, dead_letter.id)
        await wait_until(lambda: pipeline.stats.counts["refused"] == 2)
        await pipeline.publisher("changes").publish([good])
        await wait_until(lambda: pipeline.first_occurrences()["practice/a"] == [1, 2])


async def test_missing_stream_makes_no_dead_letters() -> None:
    pipeline = Pipeline(attempts=2)
    pipeline.transport.delete_stream("entities")
    async with pipeline.running():
        await pipeline.publisher("changes").publish([change(practice(), 1)])
        await wait_until(lambda: pipeline.transport.missing_stream_puts > pipeline.attempts)
        pipeline.transport.create_stream("entities", 2)
        await wait_until(lambda: pipeline.first_occurrences()["practice/a"] == [1])
    assert await pipeline.dead_letters.count("refinery") == 0


async def test_invalid_envelope_is_dead_lettered_and_blocks_nothing() -> None:
    pipeline = Pipeline()
    async with pipeline.running():
        await pipeline.transport.put_records("changes", [OutgoingRecord("practice/a", b"?")])
        await pipeline.publisher("changes").publish([change(practice(), 1)])
        await wait_until(lambda: pipeline.first_occurrences()["practice/a"] == [1])
        await wait_until(pipeline.has_dead_letter)
    [dead_letter] = [each async for each in pipeline.dead_letters.list("refinery")]
    assert (dead_letter.key, dead_letter.body) == ("practice/a", b"?")
