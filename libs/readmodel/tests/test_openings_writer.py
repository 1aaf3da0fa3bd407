"""Openings in the read model match the source of truth for any order of writes and writers."""

import asyncio
import random
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from millrace_readmodel import bulk, layout, zones
from millrace_readmodel.cards import decode_card
from millrace_readmodel.changes import partition_of
from millrace_readmodel.generations import ReadModel
from millrace_readmodel.items import week_item
from millrace_readmodel.openings import unpack_entry
from millrace_readmodel.openings_writer import read_entries
from millrace_readmodel.rebuild import Rebuild
from millrace_readmodel.writer import ReadModelWriter

NPI = "1000000004"
NOW = datetime(2026, 11, 23, 15, tzinfo=UTC).timestamp()
MONDAY = zones.day_number(date(2026, 11, 23))
MORNING = "2026-11-24T09:00:00-05:00"
EVENING = "2026-11-26T18:30:00-05:00"
LATER = "2026-12-02T14:00:00-05:00"


@pytest.fixture
async def writer(redis: Any, truth: Any) -> ReadModelWriter:
    await bulk.load(redis, 1, [])
    return ReadModelWriter(redis, truth, now=lambda: NOW)


async def read_first_times(redis: Any, make: Any, number: int = 0, generation: int = 1) -> list[tuple[int, int]] | None:
    """Return a location's earliest openings as (days after Monday, minute of the day); None if unknown."""
    row = layout.row_id(make.location_id(NPI, number))
    card = decode_card(await redis.get(layout.card_key(generation, row)))
    assert card is not None
    (entry,) = (await read_entries(redis, generation, {row: partition_of(card)})).values()
    return [(day - MONDAY, minute) for day, minute in unpack_entry(entry).firsts] if entry else None


async def put(truth: Any, writer: ReadModelWriter, *items: Any) -> None:
    """Write items to the source of truth, then to the read model as the projector does."""
    await truth.put(items)
    weeks = [week_item(item) for item in items if item.sk.startswith("AVAILABILITY#")]
    others = {item.pk for item in items if not item.sk.startswith("AVAILABILITY#")}
    await writer.write(1, others, weeks)


async def test_openings_are_written_beside_their_row(
    redis: Any, truth: Any, make: Any, writer: ReadModelWriter, differences: Any
) -> None:
    await put(truth, writer, make.provider(NPI, 1), make.location(NPI, 1), make.location(NPI, 1, number=1))
    await put(truth, writer, make.week(NPI, 1, MORNING, EVENING), make.week(NPI, 1, LATER, week="2026-W49"))
    assert await read_first_times(redis, make) == [(1, 540), (3, 1110), (9, 840)]
    assert await read_first_times(redis, make, 1) is None or await read_first_times(redis, make, 1) == []
    assert await differences(truth, 1) == []


async def test_booking_needs_no_read_of_the_truth(
    redis: Any, truth: Any, make: Any, writer: ReadModelWriter, differences: Any
) -> None:
    await put(truth, writer, make.provider(NPI, 1), make.location(NPI, 1), make.week(NPI, 1, MORNING, EVENING))
    card = await redis.get(layout.card_key(1, layout.row_id(make.location_id(NPI))))
    reads = truth.reads, truth.week_reads
    await put(truth, writer, make.week(NPI, 2, EVENING))
    assert await read_first_times(redis, make) == [(3, 1110)]
    assert (truth.reads, truth.week_reads) == reads
    assert await redis.get(layout.card_key(1, layout.row_id(make.location_id(NPI)))) == card
    assert await differences(truth, 1) == []


async def test_older_week_changes_nothing(redis: Any, truth: Any, make: Any, writer: ReadModelWriter) -> None:
    await put(truth, writer, make.provider(NPI, 1), make.location(NPI, 1), make.week(NPI, 3, EVENING))
    await put(truth, writer, make.week(NPI, 2, MORNING))
    assert await read_first_times(redis, make) == [(3, 1110)]


async def test_openings_before_their_card_are_not_lost(
    redis: Any, truth: Any, make: Any, writer: ReadModelWriter, differences: Any
) -> None:
    await put(truth, writer, make.week(NPI, 1, MORNING))
    await put(truth, writer, make.provider(NPI, 1), make.location(NPI, 1))
    assert await read_first_times(redis, make) == [(1, 540)]
    assert await differences(truth, 1) == []


@pytest.mark.parametrize("gone", [0, 1, 2])
async def test_openings_follow_their_row_and_others_stay(
    redis: Any, truth: Any, make: Any, writer: ReadModelWriter, differences: Any, *, gone: int
) -> None:
    locations = [make.location(NPI, 1, number=number) for number in range(3)]
    weeks = [make.week(NPI, 1, f"2026-11-2{4 + number}T09:00:00-05:00", number=number) for number in range(3)]
    await put(truth, writer, make.provider(NPI, 1), *locations, *weeks)
    await put(truth, writer, make.location(NPI, 2, number=gone, place="Chicago"))
    assert [await read_first_times(redis, make, number) for number in range(3)] == [[(n, 540)] for n in (1, 2, 3)]
    await put(truth, writer, make.deleted(locations[gone], 3))
    left = [number for number in range(3) if number != gone]
    assert [await read_first_times(redis, make, number) for number in left] == [[(number + 1, 540)] for number in left]
    assert [each for each in await differences(truth, 1) if each.store == "openings"] == []


async def test_next_day_begins_a_new_entry(redis: Any, truth: Any, make: Any) -> None:
    await bulk.load(redis, 1, [])
    now = [NOW]
    writer = ReadModelWriter(redis, truth, now=lambda: now[0])
    await put(truth, writer, make.provider(NPI, 1), make.location(NPI, 1))
    await put(truth, writer, make.week(NPI, 1, MORNING, EVENING), make.week(NPI, 1, LATER, week="2026-W49"))
    far = "2027-02-01T09:00:00-05:00"
    await put(truth, writer, make.week(NPI, 1, far, week="2027-W05"))
    assert await read_first_times(redis, make) == [(1, 540), (3, 1110), (9, 840)]
    now[0] += 60 * 86_400
    await put(truth, writer, make.week(NPI, 2, LATER, week="2026-W49"))
    assert await read_first_times(redis, make) == [(70, 540)]


async def test_booking_during_rebuild_is_in_the_new_generation(
    redis: Any, truth: Any, make: Any, writer: ReadModelWriter, differences: Any
) -> None:
    """A booking after the rebuild has scanned its provider, but before the switch."""
    await redis.set(layout.GENERATION_KEY, 1)
    await put(truth, writer, make.provider(NPI, 1), make.location(NPI, 1), make.week(NPI, 1, MORNING, EVENING))
    read_model = ReadModel(redis, writer, request_rebuild=lambda: None)

    class ChangingTruth:
        """A source of truth that changes after the scan."""

        async def scan(self, handle: Any, *, segments: int = 1) -> None:
            await truth.scan(handle)
            booked = make.week(NPI, 2, EVENING)
            await truth.put([booked])
            await read_model.apply([], [week_item(booked)])

    rebuilt = await Rebuild(redis, ChangingTruth(), writer, now=lambda: NOW, grace=0).run()
    assert await read_first_times(redis, make, generation=rebuilt.generation) == [(3, 1110)]
    assert await differences(truth, rebuilt.generation) == []


@pytest.mark.parametrize("seed", range(10))
async def test_concurrent_writers_agree_on_openings(
    redis: Any, truth: Any, make: Any, differences: Any, seed: int
) -> None:
    """Several writers change, move, delete and book the same few provider-locations."""
    await bulk.load(redis, 1, [])
    chance = random.Random(seed)
    npis = [NPI, "1000000012"]
    versions: dict[Any, int] = {}

    def version(key: Any) -> int:
        versions[key] = versions.get(key, 0) + 1
        return versions[key]

    def change(npi: str) -> Any:
        number = chance.randrange(2)
        if chance.random() < 0.6:
            days = chance.sample(range(24, 30), chance.randrange(4))
            starts = [f"2026-11-{day}T{chance.randrange(10, 20)}:00:00-05:00" for day in days]
            return make.week(npi, version((npi, number, "week")), *starts, number=number)
        if chance.random() < 0.3:
            made = make.provider(npi, version(npi))
        else:
            place = chance.choice(["New York", "Chicago", "Houston"])
            made = make.location(npi, version((npi, number)), number=number, place=place)
        return msgspec.structs.replace(made, data=None) if chance.random() < 0.2 else made

    async def work(now: float) -> None:
        writer = ReadModelWriter(redis, truth, attempts=400, now=lambda: now)
        for _ in range(20):
            item = change(chance.choice(npis))
            await asyncio.sleep(0)
            await put(truth, writer, item)

    # Around midnight in New York: for some workers the next day has begun.
    midnight = datetime(2026, 11, 24, 5, tzinfo=UTC).timestamp()
    await asyncio.gather(*(work(midnight + 30 * (number % 2) - 15) for number in range(5)))
    assert await differences(truth, 1) == []
