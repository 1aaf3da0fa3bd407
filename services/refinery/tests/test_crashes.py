"""The process dies between any two of its effects: nothing is lost, and what is repeated is the same event."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from millrace_contracts.envelope import Envelope, decode
from millrace_feeds.clock import SystemClock
from millrace_feeds.transport import Record
from millrace_refinery.figures import Figures
from millrace_refinery.ordering import KeyState, Limits
from millrace_refinery.refiner import Refiner
from millrace_refinery.states import MemoryStateStore

from .factories import change, practice, record


class Crash(BaseException):
    """The process is gone."""


class Fate:
    """Decides at each effect whether the process dies right after it."""

    def __init__(self, crashes: Sequence[bool]) -> None:
        self._crashes = list(crashes)

    def strike(self) -> None:
        if self._crashes and self._crashes.pop():
            raise Crash


class MortalStream:
    def __init__(self, fate: Fate) -> None:
        self.fate = fate
        self.envelopes: list[Envelope] = []

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        # A request may be written in part before the process dies, each key in order.
        half = len(envelopes) // 2
        self.envelopes.extend(envelopes[:half])
        self.fate.strike()
        self.envelopes.extend(envelopes[half:])
        self.fate.strike()


class MortalStore(MemoryStateStore):
    def __init__(self, fate: Fate) -> None:
        super().__init__()
        self.fate = fate

    async def save(self, states: Mapping[str, KeyState]) -> None:
        # Of a batch, any part may be durable.
        items = list(states.items())
        await super().save(dict(items[::2]))
        self.fate.strike()
        await super().save(dict(items[1::2]))
        self.fate.strike()


async def consume(records: Sequence[Record], batch: int, fate: Fate) -> list[Envelope]:
    """Read a shard to its end from the last checkpoint, over as many processes as it takes; what was emitted."""
    stream, store = MortalStream(fate), MortalStore(fate)
    checkpoint = 0
    while checkpoint < len(records):
        refiner = Refiner(
            store=store,
            sink=stream,
            clock=SystemClock(),
            figures=Figures(),
            limits=Limits(wait=3600),
            max_held=100,
        )
        position = checkpoint
        try:
            while position < len(records):
                await refiner.handle(records[position : position + batch])
                position += batch
                fate.strike()
                checkpoint = position
        except Crash:
            continue
    return stream.envelopes


@st.composite
def shards(draw: st.DrawFn) -> list[Record]:
    """Two keys' versions, whole but shuffled and with repeats."""
    changes = [(key, version) for key in ("a", "b") for version in range(1, draw(st.integers(1, 6)) + 1)]
    again = draw(st.lists(st.sampled_from(changes), max_size=6))
    return [record(change(practice(key=key), version)) for key, version in draw(st.permutations(changes + again))]


@given(shards(), st.integers(1, 8), st.lists(st.booleans(), max_size=30))
async def test_nothing_is_lost_and_only_the_same_events_are_repeated(
    records: list[Record], batch: int, crashes: list[bool]
) -> None:
    emitted = await consume(records, batch, Fate(crashes))
    seen: dict[str, dict[int, Envelope]] = defaultdict(dict)
    for envelope in emitted:
        versions = seen[envelope.subject]
        first = versions.setdefault(envelope.entityversion, envelope)
        assert first == envelope
        assert sorted(versions) == list(range(1, len(versions) + 1)), "a version was seen before the one below it"
    wanted = {(each.subject, each.entityversion) for each in (decode(read.body) for read in records)}
    assert {(each.subject, each.entityversion) for each in emitted} == wanted
