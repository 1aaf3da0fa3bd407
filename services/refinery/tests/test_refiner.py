"""What the refinery makes of changes, with stores in memory."""

from collections.abc import Sequence

import msgspec
import pytest

from millrace_contracts.entities import Address, Practice, ProviderLocation
from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import entity_of
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.transport import Record
from millrace_platform.testing import ManualClock
from millrace_refinery.figures import Figures
from millrace_refinery.ordering import Limits
from millrace_refinery.refiner import Refiner
from millrace_refinery.states import MemoryStateStore

from .factories import SHARD, change, practice, raw_record, record


class Entities:
    """The stream that clean entities go to."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        self.envelopes.extend(envelopes)

    @property
    def versions(self) -> list[int]:
        return [envelope.entityversion for envelope in self.envelopes]


class Refinery:
    """A refiner and all that it works on."""

    def __init__(self, *, max_held: int = 100) -> None:
        self.clock = ManualClock()
        self.entities = Entities()
        self.store = MemoryStateStore()
        self.figures = Figures()
        self.max_held = max_held
        self.refiner = self.start()

    def start(self) -> Refiner:
        """A fresh process over the same stores."""
        return Refiner(
            store=self.store,
            sink=self.entities,
            clock=self.clock,
            figures=self.figures,
            limits=Limits(),
            max_held=self.max_held,
        )

    async def take(self, *envelopes: Envelope) -> None:
        await self.refiner.handle([record(envelope) for envelope in envelopes])

    async def take_parking(self, records: Sequence[Record]) -> list[str]:
        """Hand records in as a consumer does; the reasons of those that were parked."""
        reasons: list[str] = []
        left = list(records)
        while left:
            try:
                await self.refiner.handle(left)
            except InvalidRecord as invalid:
                reasons.append(invalid.reason)
                left.remove(invalid.record)
            else:
                break
        return reasons


@pytest.fixture
def refinery() -> Refinery:
    return Refinery()


async def test_a_change_is_emitted_clean_under_its_own_identity(refinery: Refinery) -> None:
    source = change(practice("  HARBOR   CLINIC "), 1)
    await refinery.take(source)
    [clean] = refinery.entities.envelopes
    entity = entity_of(clean)
    assert isinstance(entity, Practice)
    assert entity.phone == "+14155552671"
    assert clean == msgspec.structs.replace(source, data=clean.data)


async def test_a_provider_location_gets_its_specialty_position_and_time_zone(refinery: Refinery) -> None:
    place = ProviderLocation(
        id="pl-1",
        npi="1234567893",
        location_id="l-1",
        address=Address(line1="1 MARKET ST", city="SAN FRANCISCO", state="CA", zip="94105"),
        taxonomy="207Q00000X",
    )
    await refinery.take(change(place, 1))
    clean = entity_of(refinery.entities.envelopes[0])
    assert isinstance(clean, ProviderLocation)
    assert clean.time_zone == "America/Los_Angeles"
    assert clean.specialty is not None
    assert clean.position is not None
    assert clean.position.lat == pytest.approx(37.8, abs=0.2)


async def test_a_deletion_passes_as_it_is(refinery: Refinery) -> None:
    await refinery.take(change(practice(), 1), change(practice(), 2, deleted=True))
    assert refinery.entities.envelopes[1] == change(practice(), 2, deleted=True)


async def test_an_unchanged_content_is_emitted_under_its_new_version(refinery: Refinery) -> None:
    await refinery.take(change(practice(), 1), change(practice(), 2))
    assert refinery.entities.versions == [1, 2]


async def test_what_was_emitted_is_dropped_and_counted_also_by_the_next_process(refinery: Refinery) -> None:
    await refinery.take(change(practice(), 1), change(practice(), 2))
    refinery.refiner = refinery.start()
    await refinery.take(change(practice(), 1), change(practice(), 2))
    assert refinery.entities.versions == [1, 2]
    assert refinery.figures.counts == {
        "emitted": 2,
        "duplicate": 1,
        "stale": 1,
        "held": 0,
        "refused": 0,
        "conflict": 0,
    }


async def test_versions_come_out_in_order_across_batches_and_processes(refinery: Refinery) -> None:
    await refinery.take(change(practice(), 3), change(practice(), 1))
    assert refinery.entities.versions == [1]
    refinery.refiner = refinery.start()
    await refinery.take(change(practice(), 2))
    assert refinery.entities.versions == [1, 2, 3]


async def test_a_waiting_key_holds_up_no_other(refinery: Refinery) -> None:
    await refinery.take(change(practice(key="a"), 2), change(practice(key="b"), 1))
    assert [envelope.subject for envelope in refinery.entities.envelopes] == ["practice/b"]
    assert refinery.refiner.holding == 1


async def test_a_gap_is_skipped_once_after_the_wait(refinery: Refinery) -> None:
    await refinery.take(change(practice(), 1), change(practice(), 4))
    refinery.clock.now += 4.9
    assert await refinery.refiner.release_due([SHARD]) == 0
    refinery.clock.now += 0.1
    assert await refinery.refiner.release_due([SHARD]) == 1
    assert await refinery.refiner.release_due([SHARD]) == 0
    assert refinery.entities.versions == [1, 4]
    assert (refinery.figures.gaps_skipped, refinery.figures.versions_skipped) == (1, 2)
    assert refinery.refiner.holding == 0


async def test_another_process_skips_the_gap_of_one_that_died(refinery: Refinery) -> None:
    await refinery.take(change(practice(), 4))
    refinery.clock.now += 5
    await refinery.start().release_due([SHARD])
    assert refinery.entities.versions == [4]


async def test_only_the_worker_of_a_shard_skips_its_gaps_until_they_are_orphaned(refinery: Refinery) -> None:
    await refinery.take(change(practice(), 4))
    refinery.clock.now += 64
    assert await refinery.refiner.release_due(["another shard"]) == 0
    refinery.clock.now += 1
    assert await refinery.refiner.release_due(["another shard"]) == 1


async def test_gaps_beyond_what_may_be_held_are_skipped_at_once() -> None:
    refinery = Refinery(max_held=1)
    await refinery.take(change(practice(key="a"), 2))
    await refinery.take(change(practice(key="b"), 2))
    assert [envelope.subject for envelope in refinery.entities.envelopes] == ["practice/b"]


async def test_keys_that_another_worker_released_do_not_count_as_held_for_ever() -> None:
    refinery = Refinery(max_held=1)
    await refinery.take(change(practice(key="a"), 2))
    refinery.clock.now += 66
    await refinery.start().release_due([SHARD])
    await refinery.take(change(practice(key="b"), 2))
    assert [envelope.subject for envelope in refinery.entities.envelopes] == ["practice/a"]


async def test_a_replay_is_emitted_again_but_never_below_what_was_emitted(refinery: Refinery) -> None:
    await refinery.take(change(practice(), 1), change(practice(), 2))
    await refinery.take(change(practice(), 2, replay=True), change(practice(), 1, replay=True))
    assert refinery.entities.versions == [1, 2, 2]


async def test_a_replay_needs_no_version_before_it(refinery: Refinery) -> None:
    await refinery.take(change(practice(), 7, replay=True), change(practice(), 8))
    assert refinery.entities.versions == [7, 8]
    assert refinery.entities.envelopes[0].replay


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\xfe", "not an envelope"),
        (b"{}", "missing required field `id`"),
        (b"", "not an envelope"),
    ],
)
async def test_what_is_no_envelope_is_parked_with_its_reason(refinery: Refinery, body: bytes, reason: str) -> None:
    [parked] = await refinery.take_parking([raw_record("practice/a", body), record(change(practice(), 1))])
    assert reason in parked
    assert refinery.entities.versions == [1]
    assert refinery.figures.counts["refused"] == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"partitionkey": "practice/b"}, "partitionkey"),
        ({"entityversion": 0}, "entityversion"),
        ({"entityversion": 2**63}, "entityversion"),
        ({"dataschema": "urn:millrace:practice:2"}, "dataschema"),
        ({"data": msgspec.Raw(b'{"id":"b","name":"B"}')}, "subject"),
        ({"data": msgspec.Raw(b'{"id":"a"}')}, "practice: Object missing required field `name`"),
    ],
)
async def test_a_broken_contract_is_parked_with_the_field(
    refinery: Refinery, changes: dict[str, object], reason: str
) -> None:
    broken = msgspec.structs.replace(change(practice(), 1), **changes)
    [parked] = await refinery.take_parking([record(broken)])
    assert reason in parked
    assert refinery.entities.envelopes == []


async def test_what_cannot_be_normalized_is_parked_and_leaves_no_gap(refinery: Refinery) -> None:
    place = ProviderLocation(
        id="pl-1",
        npi="1234567893",
        location_id="l-1",
        address=Address(line1="1 MARKET ST", city="SAN FRANCISCO", state="CA", zip="94105"),
        taxonomy="207Q00000X",
    )
    unknown = msgspec.structs.replace(place, taxonomy="0000000000")
    batch = [record(change(place, 1)), record(change(unknown, 2)), record(change(place, 3))]
    [parked] = await refinery.take_parking(batch)
    assert "0000000000" in parked
    assert refinery.entities.versions == [1, 3]
    assert refinery.figures.versions_skipped == 0


async def test_a_parked_version_that_stood_alone_leaves_no_gap_for_the_next_process(refinery: Refinery) -> None:
    await refinery.take(change(practice(), 1))
    broken = msgspec.structs.replace(change(practice(), 2), data=msgspec.Raw(b"[]"))
    assert len(await refinery.take_parking([record(broken)])) == 1
    refinery.refiner = refinery.start()
    await refinery.take(change(practice(), 3))
    assert refinery.entities.versions == [1, 3]


async def test_many_parked_records_do_not_emit_the_rest_more_than_once(refinery: Refinery) -> None:
    broken = [raw_record(f"practice/x{number}", b"?") for number in range(5)]
    good = [record(change(practice(key=f"k{number}"), 1, replay=True)) for number in range(5)]
    assert len(await refinery.take_parking([*broken, *good])) == 5
    assert len(refinery.entities.envelopes) == 5


async def test_another_content_under_an_emitted_version_is_parked(refinery: Refinery) -> None:
    await refinery.take(change(practice("One"), 1))
    [parked] = await refinery.take_parking([record(change(practice("Two"), 1))])
    assert "another content" in parked
    assert refinery.figures.counts["conflict"] == 1
