"""The refiner on stores in memory."""

from collections.abc import Sequence

import msgspec
import pytest

from millrace_contracts.entities import Practice, ProviderLocation
from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import decode_entity
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.transport import Record
from millrace_platform.testing import ManualClock
from millrace_refinery.ordering import Limits
from millrace_refinery.refiner import Refiner
from millrace_refinery.states import MemoryStateStore
from millrace_refinery.stats import Stats

from .factories import SHARD, change, location, practice, raw_record, record


class FakeSink:
    """Collects the published entities."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        self.envelopes.extend(envelopes)

    @property
    def versions(self) -> list[int]:
        return [envelope.entityversion for envelope in self.envelopes]


class Refinery:
    """A refiner with its stores and clock."""

    def __init__(self, *, max_held: int = 100) -> None:
        self.clock = ManualClock()
        self.entities = FakeSink()
        self.store = MemoryStateStore()
        self.stats = Stats()
        self.max_held = max_held
        self.refiner = self.start()

    def start(self) -> Refiner:
        """Return the refiner of a new process with the same stores."""
        return Refiner(
            store=self.store,
            sink=self.entities,
            clock=self.clock,
            stats=self.stats,
            limits=Limits(),
            max_held=self.max_held,
        )

    async def handle(self, *envelopes: Envelope) -> None:
        await self.refiner.handle([record(envelope) for envelope in envelopes])

    async def handle_dead_lettering(self, records: Sequence[Record]) -> list[str]:
        """Handle records as a consumer does; return the reasons of the dead-lettered ones."""
        reasons: list[str] = []
        remaining = list(records)
        while remaining:
            try:
                await self.refiner.handle(remaining)
            except InvalidRecord as invalid:
                reasons.append(invalid.reason)
                remaining.remove(invalid.record)
            else:
                break
        return reasons


@pytest.fixture
def refinery() -> Refinery:
    return Refinery()


async def test_clean_change_retains_its_identity(refinery: Refinery) -> None:
    source = change(practice("  HARBOR   CLINIC "), 1)
    await refinery.handle(source)
    [clean] = refinery.entities.envelopes
    entity = decode_entity(clean)
    assert isinstance(entity, Practice)
    assert entity.phone == "+14155552671"
    assert clean == msgspec.structs.replace(source, data=clean.data)


async def test_provider_location_gets_specialty_position_and_time_zone(refinery: Refinery) -> None:
    await refinery.handle(change(location(), 1))
    clean = decode_entity(refinery.entities.envelopes[0])
    assert isinstance(clean, ProviderLocation)
    assert clean.time_zone == "America/Los_Angeles"
    assert clean.specialty is not None
    assert clean.position is not None
    assert clean.position.lat == pytest.approx(37.8, abs=0.2)


async def test_deletion_is_emitted_unchanged(refinery: Refinery) -> None:
    await refinery.handle(change(practice(), 1), change(practice(), 2, deleted=True))
    assert refinery.entities.envelopes[1] == change(practice(), 2, deleted=True)


async def test_new_version_with_unchanged_content_is_emitted(refinery: Refinery) -> None:
    await refinery.handle(change(practice(), 1), change(practice(), 2))
    assert refinery.entities.versions == [1, 2]


async def test_emitted_versions_are_dropped_and_counted_after_a_restart(refinery: Refinery) -> None:
    await refinery.handle(change(practice(), 1), change(practice(), 2))
    refinery.refiner = refinery.start()
    await refinery.handle(change(practice(), 1), change(practice(), 2))
    assert refinery.entities.versions == [1, 2]
    assert refinery.stats.counts == {"emitted": 2, "duplicate": 1, "stale": 1, "held": 0, "refused": 0, "conflict": 0}


async def test_versions_are_emitted_in_order_across_batches_and_restarts(refinery: Refinery) -> None:
    await refinery.handle(change(practice(), 3), change(practice(), 1))
    assert refinery.entities.versions == [1]
    refinery.refiner = refinery.start()
    await refinery.handle(change(practice(), 2))
    assert refinery.entities.versions == [1, 2, 3]


async def test_waiting_key_does_not_block_others(refinery: Refinery) -> None:
    await refinery.handle(change(practice(key="a"), 2), change(practice(key="b"), 1))
    assert [envelope.subject for envelope in refinery.entities.envelopes] == ["practice/b"]
    assert refinery.refiner.keys_waiting == 1


async def test_gap_is_skipped_once_after_the_wait(refinery: Refinery) -> None:
    await refinery.handle(change(practice(), 1), change(practice(), 4))
    refinery.clock.now += 4.9
    assert await refinery.refiner.skip_expired_gaps([SHARD]) == 0
    refinery.clock.now += 0.1
    assert await refinery.refiner.skip_expired_gaps([SHARD]) == 1
    assert await refinery.refiner.skip_expired_gaps([SHARD]) == 0
    assert refinery.entities.versions == [1, 4]
    assert (refinery.stats.gaps_skipped, refinery.stats.versions_skipped) == (1, 2)
    assert refinery.refiner.keys_waiting == 0


async def test_gap_of_a_dead_process_is_skipped_by_another(refinery: Refinery) -> None:
    await refinery.handle(change(practice(), 4))
    refinery.clock.now += 5
    await refinery.start().skip_expired_gaps([SHARD])
    assert refinery.entities.versions == [4]


async def test_other_workers_skip_only_orphaned_gaps(refinery: Refinery) -> None:
    await refinery.handle(change(practice(), 4))
    refinery.clock.now += 64
    assert await refinery.refiner.skip_expired_gaps(["another shard"]) == 0
    refinery.clock.now += 1
    assert await refinery.refiner.skip_expired_gaps(["another shard"]) == 1


async def test_gaps_are_skipped_immediately_at_the_limit_of_waiting_keys() -> None:
    refinery = Refinery(max_held=1)
    await refinery.handle(change(practice(key="a"), 2))
    await refinery.handle(change(practice(key="b"), 2))
    assert [envelope.subject for envelope in refinery.entities.envelopes] == ["practice/b"]


async def test_keys_released_by_another_worker_stop_counting_as_waiting() -> None:
    refinery = Refinery(max_held=1)
    await refinery.handle(change(practice(key="a"), 2))
    refinery.clock.now += 66
    await refinery.start().skip_expired_gaps([SHARD])
    await refinery.handle(change(practice(key="b"), 2))
    assert [envelope.subject for envelope in refinery.entities.envelopes] == ["practice/a"]


async def test_replay_is_emitted_again_but_not_an_older_version(refinery: Refinery) -> None:
    await refinery.handle(change(practice(), 1), change(practice(), 2))
    await refinery.handle(change(practice(), 2, replay=True), change(practice(), 1, replay=True))
    assert refinery.entities.versions == [1, 2, 2]


async def test_replay_needs_no_earlier_version(refinery: Refinery) -> None:
    await refinery.handle(change(practice(), 7, replay=True), change(practice(), 8))
    assert refinery.entities.versions == [7, 8]
    assert refinery.entities.envelopes[0].replay


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b"\xff\xfe", "not an envelope"), (b"{}", "missing required field `id`"), (b"", "not an envelope")],
)
async def test_invalid_envelope_is_dead_lettered_with_reason(refinery: Refinery, body: bytes, expected: str) -> None:
    [reason] = await refinery.handle_dead_lettering([raw_record("practice/a", body), record(change(practice(), 1))])
    assert expected in reason
    assert refinery.entities.versions == [1]
    assert refinery.stats.counts["refused"] == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"partitionkey": "practice/b"}, "partitionkey"),
        ({"entityversion": 0}, "entityversion"),
        ({"entityversion": 2**63}, "entityversion"),
        ({"dataschema": "urn:millrace:practice:2"}, "dataschema"),
        ({"data": msgspec.Raw(b'{"id":"b","name":"B"}')}, "subject"),
        ({"data": msgspec.Raw(b'{"id":"a"}')}, "practice: Object missing required field `name`"),
    ],
)
async def test_contract_violation_is_dead_lettered_with_the_field(
    refinery: Refinery, changes: dict[str, object], expected: str
) -> None:
    broken = msgspec.structs.replace(change(practice(), 1), **changes)
    [reason] = await refinery.handle_dead_lettering([record(broken)])
    assert expected in reason
    assert refinery.entities.envelopes == []


async def test_unnormalizable_change_is_dead_lettered_and_leaves_no_gap(refinery: Refinery) -> None:
    versions = (location(), location(taxonomy="0000000000"), location())
    batch = [record(change(each, version)) for version, each in enumerate(versions, 1)]
    [reason] = await refinery.handle_dead_lettering(batch)
    assert "taxonomy: is not a NUCC code" in reason
    assert refinery.entities.versions == [1, 3]
    assert refinery.stats.versions_skipped == 0


async def test_dead_lettered_version_leaves_no_gap_after_a_restart(refinery: Refinery) -> None:
    await refinery.handle(change(practice(), 1))
    broken = msgspec.structs.replace(change(practice(), 2), data=msgspec.Raw(b"[]"))
    assert len(await refinery.handle_dead_lettering([record(broken)])) == 1
    refinery.refiner = refinery.start()
    await refinery.handle(change(practice(), 3))
    assert refinery.entities.versions == [1, 3]


async def test_other_records_are_emitted_once_despite_many_dead_letters(refinery: Refinery) -> None:
    broken = [raw_record(f"practice/x{number}", b"?") for number in range(5)]
    good = [record(change(practice(key=f"k{number}"), 1, replay=True)) for number in range(5)]
    assert len(await refinery.handle_dead_lettering([*broken, *good])) == 5
    assert len(refinery.entities.envelopes) == 5


async def test_other_content_of_an_emitted_version_is_dead_lettered(refinery: Refinery) -> None:
    await refinery.handle(change(practice("One"), 1))
    [reason] = await refinery.handle_dead_lettering([record(change(practice("Two"), 1))])
    assert "another content" in reason
    assert refinery.stats.counts["conflict"] == 1
