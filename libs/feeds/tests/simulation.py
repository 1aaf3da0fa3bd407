"""A small world on virtual time: writers, relays that die, workers that die or stall, a stream that fails and reshards.

Everything that happens follows from one seed. `World.broken` holds what must never be.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from millrace_feeds.consumer import Consumer
from millrace_feeds.dead_letters import DeadLetter, MemoryDeadLetters
from millrace_feeds.errors import InvalidRecord, Unavailable
from millrace_feeds.faults import FaultRates, Faults
from millrace_feeds.forwarder import Forwarder
from millrace_feeds.lease import Lease, MemoryLeaseStore
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.publisher import Publisher
from millrace_feeds.settings import (
    Backoff,
    ConsumerSettings,
    LeaseSettings,
    PublisherSettings,
    RelaySettings,
    RetryPolicy,
)
from millrace_feeds.testing import VirtualClock, elapse
from millrace_feeds.transport import SHARD_END, Limits, Record

from .slow_outbox import Outbox

STREAM = "changes"
POISON, UNREADABLE = b"poison", b"unreadable"

RATES = FaultRates(rejected=0.05, lost=0.03, ambiguous=0.05, throttled=0.05, expired=0.02, repeated=0.05)
SETTINGS = ConsumerSettings(
    poll_interval=0.5,
    fetch_records=40,
    batch_records=15,
    max_in_flight=80,
    checkpoint_interval=1.0,
    handle_timeout=6.0,
    drain_timeout=4.0,
    retry=RetryPolicy(batch_attempts=2, record_attempts=3, backoff=Backoff(0.05, 2, 1.0)),
    leases=LeaseSettings(failover=5.0, renew_interval=1.5, take_interval=1.5, sync_interval=6.0),
)


class Gate:
    """Every wire of one worker. Closed, nothing gets in or out: the worker is paused, or dead."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._open = asyncio.Event()
        self._open.set()

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    async def passed(self) -> None:
        await self._open.wait()

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[None]:
        """One request: it may stall or fail on its way, before or after it took effect."""
        await self.passed()
        await elapse(self._world.latency())
        if self._world.chance(self._world.store_failures):
            raise Unavailable("connection refused")
        yield
        await elapse(self._world.latency())
        await self.passed()
        if self._world.chance(self._world.store_failures):
            raise Unavailable("read timed out")


class GatedTransport(MemoryTransport):
    """A worker's view of the stream."""

    def __init__(self, shared: MemoryTransport, gate: Gate) -> None:
        self.__dict__.update(shared.__dict__)
        self._gate = gate

    async def _travel(self) -> None:
        await self._gate.passed()
        await super()._travel()


class GatedLeases(MemoryLeaseStore):
    """A worker's view of the lease table; looks at every checkpoint that is written."""

    def __init__(self, world: "World", gate: Gate) -> None:
        self.__dict__.update(world.leases.__dict__)
        self._world = world
        self._gate = gate

    async def list(self) -> list[Lease]:
        async with self._gate.wire():
            return await super().list()

    async def get(self, key: str) -> Lease | None:
        async with self._gate.wire():
            return await super().get(key)

    async def create(self, lease: Lease) -> bool:
        async with self._gate.wire():
            return await super().create(lease)

    async def update(self, lease: Lease, expected_counter: int) -> bool:
        async with self._gate.wire():
            updated = await super().update(lease, expected_counter)
            if updated:
                self._world.see_checkpoint(lease)
            return updated

    async def delete(self, key: str, expected_counter: int) -> bool:
        async with self._gate.wire():
            return await super().delete(key, expected_counter)


class GatedDeadLetters(MemoryDeadLetters):
    def __init__(self, world: "World", gate: Gate) -> None:
        self.__dict__.update(world.dead_letters.__dict__)
        self._world = world
        self._gate = gate

    async def park(self, letter: DeadLetter) -> None:
        async with self._gate.wire():
            await super().park(letter)
            self._world.finished.add((letter.shard_id, letter.sequence))

    async def count(self, application: str) -> int:
        return 0


class GatedHandler:
    """Applies records under the condition of their version, and fails as handlers do."""

    def __init__(self, world: "World", gate: Gate) -> None:
        self._world = world
        self._gate = gate

    async def handle(self, records: Sequence[Record]) -> None:
        world = self._world
        for record in records:
            if world.chance(0.1):
                async with self._gate.wire():
                    pass
            await self._gate.passed()
            if record.body.startswith(UNREADABLE):
                raise InvalidRecord(record, "unreadable")
            if record.body.startswith(POISON) or world.chance(world.handler_failures):
                raise ValueError("can't apply it")
            world.apply(record)


@dataclass
class World:
    """The state of one run and what is watched in it."""

    random: Random
    store_failures: float = 0.02
    handler_failures: float = 0.005
    finished: set[tuple[str, str]] = field(default_factory=set)
    effects: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    written: dict[str, list[tuple[int, bytes]]] = field(default_factory=lambda: defaultdict(list))
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.faults = Faults(RATES, self.random)
        self.transport = MemoryTransport(
            clock=VirtualClock(), faults=self.faults, latency=self.latency, limits=Limits(records=10)
        )
        self.transport.create_stream(STREAM, 2)
        self.leases = MemoryLeaseStore()
        self.dead_letters = MemoryDeadLetters()
        self.outbox = Outbox(self.latency)
        self._workers = 0

    def latency(self) -> float:
        return self.random.uniform(0.001, 0.05)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    # What is watched

    def apply(self, record: Record) -> None:
        """A conditional write, as every service makes it."""
        for earlier in self.earlier(record):
            if (earlier.shard_id, earlier.sequence) not in self.finished:
                self.broken.append(f"order: {record.key} {record.sequence} before {earlier.sequence}")
        version = int(record.body)
        effects = self.effects[record.key]
        if not effects or effects[-1] < version:
            effects.append(version)
        self.finished.add((record.shard_id, record.sequence))

    def earlier(self, record: Record) -> list[Record]:
        """What the stream holds of the same key before a record, parents included."""
        return [
            other
            for shard in self._shards()
            for other in self.transport.records(STREAM, shard)
            if other.key == record.key and int(other.sequence) < int(record.sequence)
        ]

    def see_checkpoint(self, lease: Lease) -> None:
        if not (lease.checkpoint.isdigit() or lease.checkpoint == SHARD_END):
            return
        for record in self.transport.records(STREAM, lease.key):
            behind = lease.checkpoint == SHARD_END or int(record.sequence) <= int(lease.checkpoint)
            if behind and (lease.key, record.sequence) not in self.finished:
                self.broken.append(f"checkpoint: {lease.key} at {lease.checkpoint} ahead of {record.sequence}")

    def lost(self) -> list[str]:
        """Versions that were committed and are neither applied, superseded nor parked."""
        done = {
            (record.key, record.body)
            for shard in self._shards()
            for record in self.transport.records(STREAM, shard)
            if (shard, record.sequence) in self.finished
        }
        missing = [
            f"lost: {key} version {version}"
            for key, versions in self.written.items()
            for version, body in versions
            if (key, body) not in done
        ]
        for key, versions in self.written.items():
            readable = [version for version, body in versions if body.isdigit()]
            if readable and self.effects[key][-1:] != readable[-1:]:
                missing.append(f"stale: {key} stands at {self.effects[key][-1:]}, not {readable[-1]}")
        return missing

    def disordered(self) -> list[str]:
        """Keys whose versions, each where its last copy is, don't rise in the stream."""
        last: dict[str, dict[bytes, int]] = defaultdict(dict)
        for shard in self._shards():
            for record in self.transport.records(STREAM, shard):
                last[record.key][record.body] = int(record.sequence)
        return [
            f"disorder: {key}"
            for key, versions in self.written.items()
            if [body for _, body in versions] != sorted(last[key], key=lambda body, key=key: last[key][body])  # type: ignore[misc]
        ]

    def _shards(self) -> list[str]:
        return [row.shard_id for row in self.transport.all_shards(STREAM)]

    # Who acts

    def worker(self) -> "Worker":
        self._workers += 1
        return Worker(self, f"worker-{self._workers}")

    async def write(self, key: str, versions: int) -> None:
        """One key's transactions, one after the other, each inserted some time before it is committed."""
        for version in range(1, versions + 1):
            await elapse(self.random.uniform(0.0, 3.0))
            body = str(version).encode()
            if self.chance(0.03):
                body = self.random.choice([POISON, UNREADABLE]) + body
            row = self.outbox.insert(key, version, body)
            await elapse(self.random.choice([0.0, 0.01, 2.0]) * self.random.random())
            self.outbox.rows[row.seq] = row
            self.written[key].append((version, body))

    async def relay(self) -> None:
        """Relays one after the other; each but the last is killed wherever it is."""
        settings = RelaySettings(window=30, fetch_rows=20, poll_interval=0.3, backoff=Backoff(0.05, 2, 0.5))
        while True:
            publisher = Publisher(
                transport=self.transport, stream=STREAM, settings=PublisherSettings(batches_in_flight=3)
            )
            try:
                async with asyncio.timeout(self.random.uniform(0.5, 8.0)):
                    await Forwarder(self.outbox, publisher, settings).run()
            except TimeoutError:
                continue

    async def reshard(self) -> None:
        while True:
            await elapse(self.random.uniform(3.0, 12.0))
            shards = self.transport.open_shards(STREAM)
            at = self.random.randrange(len(shards))
            if len(shards) < 4 and self.chance(0.6):
                self.transport.split(STREAM, shards[at].shard_id)
            elif at + 1 < len(shards):
                self.transport.merge(STREAM, shards[at].shard_id, shards[at + 1].shard_id)

    def heal(self) -> None:
        self.faults.rates = FaultRates()
        self.store_failures = self.handler_failures = 0.0


class Worker:
    """A process with one consumer: it can be stopped, killed, or paused."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self._gate = Gate(world)
        self.consumer = Consumer(
            application="app",
            stream=STREAM,
            transport=GatedTransport(world.transport, self._gate),
            leases=GatedLeases(world, self._gate),
            dead_letters=GatedDeadLetters(world, self._gate),
            handler=GatedHandler(world, self._gate),
            worker=name,
            clock=VirtualClock(skew=world.random.uniform(0, 1e6)),
            settings=SETTINGS,
        )
        self.task = asyncio.create_task(self.consumer.run())

    def kill(self) -> None:
        """Nothing of it is seen again."""
        self._gate.close()

    async def pause(self, seconds: float) -> None:
        """It comes back as if no time had passed, with everything it had in hand."""
        self._gate.close()
        await elapse(seconds)
        self._gate.open()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def trouble(world: World, workers: list[Worker], ended: list[Worker]) -> None:
    """Workers come and go; at least one is kept."""
    while True:
        await elapse(world.random.uniform(1.0, 6.0))
        victim = world.random.choice(workers)
        what = world.random.choice(["kill", "stop", "pause", "pause", "join"])
        if what == "pause":
            await victim.pause(world.random.choice([1.0, 9.0]) * world.random.random())
        elif what == "join" and len(workers) < 4:
            workers.append(world.worker())
        elif what in ("kill", "stop") and len(workers) > 1:
            workers.remove(victim)
            ended.append(victim)
            if what == "kill":
                victim.kill()
            else:
                await victim.stop()


async def simulate(seed: int, *, keys: int = 12, most_versions: int = 16, patience: float = 120.0) -> World:
    """One run: trouble until all is written, then peace until all is applied or patience (virtual seconds) ends."""
    world = World(Random(seed))
    workers, ended = [world.worker(), world.worker()], list[Worker]()
    background = [asyncio.create_task(act) for act in (world.relay(), world.reshard())]
    disturbance = asyncio.create_task(trouble(world, workers, ended))
    async with asyncio.TaskGroup() as group:
        for number in range(keys):
            group.create_task(world.write(f"key-{number}", world.random.randint(1, most_versions)))
    await elapse(world.random.uniform(0.0, 10.0))
    disturbance.cancel()
    background[1].cancel()
    world.heal()
    workers.append(world.worker())
    for _ in range(int(patience)):
        if not world.outbox.rows and not world.lost():
            break
        await elapse(1.0)
    await elapse(3.0)
    for task in [*background, *(worker.task for worker in (*workers, *ended))]:
        task.cancel()
    return world
