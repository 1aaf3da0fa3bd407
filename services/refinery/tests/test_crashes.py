"""If the process dies between any two effects, no event is lost, and repeated events are equal."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from millrace_contracts.envelope import Envelope, decode
from millrace_feeds.clock import SystemClock
from millrace_feeds.transport import Record
from millrace_refinery.ordering import KeyState, Limits
from millrace_refinery.refiner import Refiner
from millrace_refinery.states import MemoryStateStore
from millrace_refinery.stats import Stats

from .factories import change, practice, record


class Crash(BaseException):
    """Simulates the end of the process."""


class CrashSchedule:
    """Decides after each effect whether the process dies."""

    def __init__(self, crashes: Sequence[bool]) -> None:
        self._crashes = list(crashes)

    def maybe_crash(self) -> None:
        if self._crashes and self._crashes.pop():
            raise Crash


class CrashingStream:
    def __init__(self, schedule: CrashSchedule) -> None:
        self.schedule = schedule
        self.envelopes: list[Envelope] = []

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        # The process may die after a part of a request is written, each key in order.
        half = len(envelopes) // 2
        self.envelopes.extend(envelopes[:half])
        self.schedule.maybe_crash()
        self.envelopes.extend(envelopes[half:])
        self.schedule.maybe_crash()


class CrashingStore(MemoryStateStore):
    def __init__(self, schedule: CrashSchedule) -> None:
        super().__init__()
        self.schedule = schedule

    async def save(self, states: Mapping[str, KeyState]) -> None:
        # Any part of a batch may be durable.
        items = list(states.items())
        await super().save(dict(items[::2]))
        self.schedule.maybe_crash()
        await super().save(dict(items[1::2]))
        self.schedule.maybe_crash()


async def consume(records: Sequence[Record], batch: int, schedule: CrashSchedule) -> list[Envelope]:
    """Read a shard to its end, restarting from the last checkpoint after each crash; return the emitted events."""
    stream, store = CrashingStream(schedule), CrashingStore(schedule)
    checkpoint = 0
    while checkpoint < len(records):
        refiner = Refiner(
            store=store, sink=stream, clock=SystemClock(), stats=Stats(), limits=Limits(wait=3600), max_held=100
        )
        position = checkpoint
        try:
            while position < len(records):
                await refiner.handle(records[position : position + batch])
                position += batch
                schedule.maybe_crash()
                checkpoint = position
        except Crash:
            continue
    return stream.envelopes


@st.composite
def shards(draw: st.DrawFn) -> list[Record]:
    """Generate all versions of two keys, shuffled and with repetitions."""
    changes = [(key, version) for key in ("a", "b") for version in range(1, draw(st.integers(1, 6)) + 1)]
    again = draw(st.lists(st.sampled_from(changes), max_size=6))
    return [record(change(practice(key=key), version)) for key, version in draw(st.permutations(changes + again))]


@given(shards(), st.integers(1, 8), st.lists(st.booleans(), max_size=30))
async def test_crashes_lose_no_event_and_repeat_equal_events(
    records: list[Record], batch: int, crashes: list[bool]
) -> None:
    emitted = await consume(records, batch, CrashSchedule(crashes))
    seen: dict[str, dict[int, Envelope]] = defaultdict(dict)
    for envelope in emitted:
        versions = seen[envelope.subject]
        first = versions.setdefault(envelope.entityversion, envelope)
        assert first == envelope
        assert sorted(versions) == list(range(1, len(versions) + 1)), "a version was seen before the one below it"
    expected = {(each.subject, each.entityversion) for each in (decode(record.body) for record in records)}
    assert {(each.subject, each.entityversion) for each in emitted} == expected
