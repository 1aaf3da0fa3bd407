"""A simulation in virtual time: writers, relays and workers that crash or stall, a stream that fails and reshards.

A seed determines the whole run. `Simulation.violations` collects violated guarantees.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from millrace_feeds.backoff import Backoff
from millrace_feeds.consumer import Consumer
from millrace_feeds.dead_letters import DeadLetter, MemoryDeadLetterStore
from millrace_feeds.errors import InvalidRecord, Unavailable
from millrace_feeds.faults import FaultInjector, FaultRates
from millrace_feeds.forwarder import Forwarder
from millrace_feeds.lease import Lease, MemoryLeaseStore
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.publisher import Publisher
from millrace_feeds.settings import ConsumerSettings, LeaseSettings, PublisherSettings, RelaySettings, RetryPolicy
from millrace_feeds.testing import VirtualClock, elapse
from millrace_feeds.transport import SHARD_END, Limits, Record

from .fake_outbox import FakeOutbox

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
    retry=RetryPolicy(batch_attempts=2, record_attempts=3, backoff=Backoff(0.05, 2, 1.0, jitter=0)),
    read_backoff=Backoff(jitter=0),
    leases=LeaseSettings(failover=5.0, renew_interval=1.5, take_interval=1.5, sync_interval=6.0),
)


class Gate:
    """The network of one worker. While it is closed, no request passes: the worker is paused or dead."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self._open = asyncio.Event()
        self._open.set()

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    async def wait_until_open(self) -> None:
        await self._open.wait()

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Simulate one request: it may stall or fail before or after its effect (the body of the `async with`)."""
        await self.wait_until_open()
        await elapse(self._simulation.latency())
        if self._simulation.chance(self._simulation.store_failures):
            raise Unavailable("connection refused")
        yield
        await elapse(self._simulation.latency())
        await self.wait_until_open()
        if self._simulation.chance(self._simulation.store_failures):
            raise Unavailable("read timed out")


class GatedTransport(MemoryTransport):
    """The stream as one worker accesses it."""

    def __init__(self, shared: MemoryTransport, gate: Gate) -> None:
        self.__dict__.update(shared.__dict__)
        self._gate = gate

    async def _simulate_latency(self) -> None:
        await self._gate.wait_until_open()
        await super()._simulate_latency()


class GatedLeaseStore(MemoryLeaseStore):
    """The lease table as one worker accesses it; checks every checkpoint that is written."""

    def __init__(self, simulation: "Simulation", gate: Gate) -> None:
        self.__dict__.update(simulation.leases.__dict__)
        self._simulation = simulation
        self._gate = gate

    async def list(self) -> list[Lease]:
        async with self._gate.request():
            return await super().list()

    async def get(self, key: str) -> Lease | None:
        async with self._gate.request():
            return await super().get(key)

    async def create(self, lease: Lease) -> bool:
        async with self._gate.request():
            return await super().create(lease)

    async def update(self, lease: Lease, expected_counter: int) -> bool:
        async with self._gate.request():
            updated = await super().update(lease, expected_counter)
            if updated:
                self._simulation.check_checkpoint(lease)
            return updated

    async def delete(self, key: str, expected_counter: int) -> bool:
        async with self._gate.request():
            return await super().delete(key, expected_counter)


class GatedDeadLetters(MemoryDeadLetterStore):
    def __init__(self, simulation: "Simulation", gate: Gate) -> None:
        self.__dict__.update(simulation.dead_letters.__dict__)
        self._simulation = simulation
        self._gate = gate

    async def park(self, dead_letter: DeadLetter) -> None:
        async with self._gate.request():
            await super().park(dead_letter)
            self._simulation.finished.add((dead_letter.shard_id, dead_letter.sequence))

    async def count(self, application: str) -> int:
        return 0


class GatedHandler:
    """Applies records idempotently by their version, and fails at random."""

    def __init__(self, simulation: "Simulation", gate: Gate) -> None:
        self._simulation = simulation
        self._gate = gate

    async def handle(self, records: Sequence[Record]) -> None:
        simulation = self._simulation
        for record in records:
            if simulation.chance(0.1):
                async with self._gate.request():
                    pass
            await self._gate.wait_until_open()
            if record.body.startswith(UNREADABLE):
                raise InvalidRecord(record, "unreadable")
            if record.body.startswith(POISON) or simulation.chance(simulation.handler_failures):
                raise ValueError("can't apply it")
            simulation.apply(record)


@dataclass
class Simulation:
    """The state of one run, and the checks of its guarantees."""

    random: Random
    store_failures: float = 0.02
    handler_failures: float = 0.005
    finished: set[tuple[str, str]] = field(default_factory=set)
    effects: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    written: dict[str, list[tuple[int, bytes]]] = field(default_factory=lambda: defaultdict(list))
    violations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.faults = FaultInjector(RATES, self.random)
        self.transport = MemoryTransport(
            clock=VirtualClock(), faults=self.faults, latency=self.latency, limits=Limits(records=10)
        )
        self.transport.create_stream(STREAM, 2)
        self.leases = MemoryLeaseStore()
        self.dead_letters = MemoryDeadLetterStore()
        self.outbox = FakeOutbox(self.latency)
        self._workers = 0

    def latency(self) -> float:
        return self.random.uniform(0.001, 0.05)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    # Checks

    def apply(self, record: Record) -> None:
        """Apply a record if its version is newer, as services do, and check that earlier ones were finished before."""
        for earlier in self.earlier_records(record):
            if (earlier.shard_id, earlier.sequence) not in self.finished:
                self.violations.append(f"order: {record.key} {record.sequence} before {earlier.sequence}")
        version = int(record.body)
        effects = self.effects[record.key]
        if not effects or effects[-1] < version:
            effects.append(version)
        self.finished.add((record.shard_id, record.sequence))

    def earlier_records(self, record: Record) -> list[Record]:
        """Return earlier records of the same key, including those in parent shards."""
        return [
            other
            for shard in self._shards()
            for other in self.transport.records(STREAM, shard)
            if other.key == record.key and int(other.sequence) < int(record.sequence)
        ]

    def check_checkpoint(self, lease: Lease) -> None:
        if not (lease.checkpoint.isdigit() or lease.checkpoint == SHARD_END):
            return
        for record in self.transport.records(STREAM, lease.key):
            behind = lease.checkpoint == SHARD_END or int(record.sequence) <= int(lease.checkpoint)
            if behind and (lease.key, record.sequence) not in self.finished:
                self.violations.append(f"checkpoint: {lease.key} at {lease.checkpoint} ahead of {record.sequence}")

    def find_lost_versions(self) -> list[str]:
        """Return versions that were committed, but neither applied, superseded nor parked."""
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
                missing.append(f"stale: {key} is at {self.effects[key][-1:]}, not {readable[-1]}")
        return missing

    def find_disordered_keys(self) -> list[str]:
        """Return keys whose versions don't increase in the stream, counting only the last copy of each."""
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

    # Actors

    def start_worker(self) -> "Worker":
        self._workers += 1
        return Worker(self, f"worker-{self._workers}")

    async def write(self, key: str, versions: int) -> None:
        """Run the transactions of one key one after the other; each commits some time after it inserted its row."""
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
        """Run relays one after the other; each but the last is killed at a random time."""
        settings = RelaySettings(window=30, fetch_rows=20, poll_interval=0.3, backoff=Backoff(0.05, 2, 0.5, jitter=0))
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

    def stop_faults(self) -> None:
        self.faults.rates = FaultRates()
        self.store_failures = self.handler_failures = 0.0


class Worker:
    """A process with one consumer that can be stopped, killed or paused."""

    def __init__(self, simulation: Simulation, name: str) -> None:
        self.name = name
        self._gate = Gate(simulation)
        self.consumer = Consumer(
            application="app",
            stream=STREAM,
            transport=GatedTransport(simulation.transport, self._gate),
            leases=GatedLeaseStore(simulation, self._gate),
            dead_letters=GatedDeadLetters(simulation, self._gate),
            handler=GatedHandler(simulation, self._gate),
            worker=name,
            clock=VirtualClock(skew=simulation.random.uniform(0, 1e6)),
            settings=SETTINGS,
        )
        self.task = asyncio.create_task(self.consumer.run())

    def kill(self) -> None:
        """Cut the worker off for good."""
        self._gate.close()

    async def pause(self, seconds: float) -> None:
        """Cut the worker off for some time; it then continues with its running requests."""
        self._gate.close()
        await elapse(seconds)
        self._gate.open()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def disturb_workers(simulation: Simulation, workers: list[Worker], ended: list[Worker]) -> None:
    """Kill, stop, pause and start workers at random; at least one stays."""
    while True:
        await elapse(simulation.random.uniform(1.0, 6.0))
        victim = simulation.random.choice(workers)
        action = simulation.random.choice(["kill", "stop", "pause", "pause", "join"])
        if action == "pause":
            await victim.pause(simulation.random.choice([1.0, 9.0]) * simulation.random.random())
        elif action == "join" and len(workers) < 4:
            workers.append(simulation.start_worker())
        elif action in ("kill", "stop") and len(workers) > 1:
            workers.remove(victim)
            ended.append(victim)
            if action == "kill":
                victim.kill()
            else:
                await victim.stop()


async def simulate(seed: int, *, keys: int = 12, max_versions: int = 16, recovery: float = 120.0) -> Simulation:
    """Write with faults, then wait without faults until all is applied, at most `recovery` virtual seconds."""
    simulation = Simulation(Random(seed))
    workers, ended = [simulation.start_worker(), simulation.start_worker()], list[Worker]()
    background = [asyncio.create_task(act) for act in (simulation.relay(), simulation.reshard())]
    disturbance = asyncio.create_task(disturb_workers(simulation, workers, ended))
    async with asyncio.TaskGroup() as group:
        for number in range(keys):
            group.create_task(simulation.write(f"key-{number}", simulation.random.randint(1, max_versions)))
    await elapse(simulation.random.uniform(0.0, 10.0))
    disturbance.cancel()
    background[1].cancel()
    simulation.stop_faults()
    workers.append(simulation.start_worker())
    for _ in range(int(recovery)):
        if not simulation.outbox.rows and not simulation.find_lost_versions():
            break
        await elapse(1.0)
    await elapse(3.0)
    for task in [*background, *(worker.task for worker in (*workers, *ended))]:
        task.cancel()
    return simulation
