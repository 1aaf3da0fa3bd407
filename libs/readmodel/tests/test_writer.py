"""The read model matches the source of truth for any order of changes and any number of writers."""

import asyncio
import random
from typing import Any

import pytest

from millrace_readmodel import bulk, layout
from millrace_readmodel.cards import card_version
from millrace_readmodel.scripts import ContentionError
from millrace_readmodel.writer import REMOVAL_SECONDS, ReadModelWriter

from .conftest import DelayedTruth

NPI = "1000000004"


@pytest.fixture
async def writer(redis: Any, truth: Any) -> ReadModelWriter:
    await bulk.load(redis, 1, [])
    return ReadModelWriter(redis, truth)


async def test_provider_with_location_gets_a_card(
    redis: Any, truth: Any, make: Any, writer: ReadModelWriter, differences: Any
) -> None:
    await truth.put([make.provider(NPI, 3), make.location(NPI, 4, plans=("A", "B"))])
    await writer.write(1, [f"PROVIDER#{NPI}"])
    value = await redis.get(layout.card_key(1, layout.row_id(make.location_id(NPI))))
    assert card_version(value) == 7
    assert await redis.lrange(layout.plan_sets_key(1), 0, -1) == [b"", b"A B"]
    assert await redis.smembers(layout.words_key(1)) == {b"ada", b"lovelace"}
    assert await differences(truth, 1) == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda make: make.location(NPI, 2, place="Chicago"), id="moves"),
        pytest.param(lambda make: make.location(NPI, 2, specialty="family-medicine"), id="changes-specialty"),
        pytest.param(lambda make: make.location(NPI, 2, plans=("C",)), id="changes-plans"),
        pytest.param(lambda make: make.provider(NPI, 2, last_name="Ada Byron"), id="marries"),
        pytest.param(lambda make: make.deleted(make.location(NPI, 1), 2), id="location-closes"),
        pytest.param(lambda make: make.deleted(make.provider(NPI, 1), 2), id="provider-leaves"),
    ],
)
async def test_change_removes_the_previous_state(
    truth: Any, make: Any, writer: ReadModelWriter, differences: Any, change: Any
) -> None:
    await truth.put([make.provider(NPI, 1), make.location(NPI, 1), make.location(NPI, 1, number=1)])
    await writer.write_providers(1, [NPI])
    await truth.put([change(make)])
    await writer.write_providers(1, [NPI])
    assert await differences(truth, 1) == []


async def test_removal_of_last_card_removes_its_keys(
    redis: Any, truth: Any, make: Any, writer: ReadModelWriter
) -> None:
    location = make.location(NPI, 1)
    await truth.put([make.provider(NPI, 1), location])
    await writer.write_providers(1, [NPI])
    await truth.put([make.deleted(location, 2)])
    await writer.write_providers(1, [NPI])
    card = layout.card_key(1, layout.row_id(make.location_id(NPI)))
    assert set(await redis.keys("*")) == {b"1:plan-set-index", b"1:plan-sets", card}
    assert 0 < await redis.ttl(card) <= REMOVAL_SECONDS


async def test_slow_writer_does_not_restore_removed_card(
    redis: Any, truth: Any, make: Any, writer: ReadModelWriter, differences: Any
) -> None:
    location = make.location(NPI, 1)
    await truth.put([make.provider(NPI, 1), location])
    has_read, may_return = asyncio.Event(), asyncio.Event()

    async def wait(_: Any) -> None:
        has_read.set()
        await may_return.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(ReadModelWriter(redis, DelayedTruth(truth, wait)).write_providers(1, [NPI]))
        await has_read.wait()
        await truth.put([make.deleted(location, 2)])
        await writer.write_providers(1, [NPI])
        may_return.set()
    assert await differences(truth, 1) == []


async def test_late_item_changes_nothing(truth: Any, make: Any, writer: ReadModelWriter, differences: Any) -> None:
    await truth.put([make.provider(NPI, 5), make.location(NPI, 5, place="Houston")])
    await writer.write_providers(1, [NPI])
    await truth.put([make.location(NPI, 3, place="Chicago")])
    await writer.write_providers(1, [NPI])
    assert await differences(truth, 1) == []


async def test_writer_follows_a_restored_truth(
    truth: Any, make: Any, writer: ReadModelWriter, differences: Any
) -> None:
    await truth.put([make.provider(NPI, 9), make.location(NPI, 9, place="Houston")])
    await writer.write_providers(1, [NPI])
    truth.stored.clear()
    await truth.put([make.provider(NPI, 2), make.location(NPI, 2, place="Chicago")])
    await writer.write_providers(1, [NPI])
    assert await differences(truth, 1) == []


@pytest.mark.parametrize("seed", range(24))
async def test_concurrent_writers_leave_no_orphans(
    redis: Any, truth: Any, make: Any, differences: Any, seed: int
) -> None:
    """Several writers change, move, rename, delete and re-create the same few providers."""
    await bulk.load(redis, 1, [])
    chance = random.Random(seed)
    npis = ["1000000004", "1000000012"]
    versions = {npi: [0, 0, 0] for npi in npis}

    async def work(number: int) -> None:
        writer = ReadModelWriter(redis, truth, attempts=200)
        for _ in range(15):
            npi = chance.choice(npis)
            await truth.put([change(npi, number)])
            await asyncio.sleep(0)
            await writer.write_providers(1, npis if chance.random() < 0.2 else [npi])

    def change(npi: str, number: int) -> Any:
        part = chance.randrange(3)
        versions[npi][part] += 1
        version = versions[npi][part]
        if part == 0:
            item = make.provider(npi, version, last_name=chance.choice(["Lovelace", "Byron", "Ada King"]))
        else:
            item = make.location(
                npi,
                version,
                number=part,
                place=chance.choice(["New York", "Chicago", "Houston"]),
                specialty=chance.choice(["dermatology", "family-medicine"]),
                plans=chance.choice([(), ("A",), ("A", "B")]),
            )
        return make.deleted(item, version) if chance.random() < 0.25 else item

    await asyncio.gather(*(work(number) for number in range(5)))
    assert await differences(truth, 1) == []


async def test_batch_reads_the_truth_once(truth: Any, make: Any, writer: ReadModelWriter, differences: Any) -> None:
    npis = [f"1{number:09d}" for number in range(300)]
    await truth.put([make.provider(npi, 1) for npi in npis] + [make.location(npi, 1) for npi in npis])
    await writer.write_providers(1, npis)
    assert truth.reads == 1
    assert await differences(truth, 1) == []


async def test_writer_that_always_loses_raises_contention(
    redis: Any, truth: Any, make: Any, writer: ReadModelWriter
) -> None:
    async def write_newer(found: Any) -> None:
        version = found[0].versions + 1
        await truth.put([make.provider(NPI, version), make.location(NPI, version)])
        await writer.write_providers(1, [NPI])

    await truth.put([make.provider(NPI, 1), make.location(NPI, 1)])
    with pytest.raises(ContentionError, match=NPI):
        await ReadModelWriter(redis, DelayedTruth(truth, write_newer), attempts=3).write_providers(1, [NPI])


async def test_plans_follow_the_truth(
    redis: Any, truth: Any, make: Any, writer: ReadModelWriter, differences: Any
) -> None:
    await truth.put([make.plan("A", 1), make.plan("B", 1)])
    await writer.write(1, ["PLAN#A", "PLAN#B"])
    await truth.put([make.plan("A", 2), make.deleted(make.plan("B", 1), 2)])
    await asyncio.gather(*(writer.write(1, ["PLAN#A", "PLAN#B", "LOCATION#x"]) for _ in range(4)))
    assert await redis.hkeys(layout.plans_key(1)) == [b"A"]
    assert await differences(truth, 1) == []


async def test_scripts_are_reloaded_after_flush(
    redis: Any, truth: Any, make: Any, writer: ReadModelWriter, differences: Any
) -> None:
    await truth.put([make.provider(NPI, 1), make.location(NPI, 1)])
    await writer.write_providers(1, [NPI])
    await redis.script_flush()
    await truth.put([make.location(NPI, 2, place="Chicago")])
    await writer.write_providers(1, [NPI])
    assert await differences(truth, 1) == []
