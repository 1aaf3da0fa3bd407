"""Records of `entities` are applied to the truth and the read model, also after Redis lost its data."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from millrace_feeds.errors import InvalidRecord, Unavailable
from millrace_feeds.testing import ends_when_cancelled
from millrace_projector.as_of import AsOfTracker
from millrace_projector.handler import Projector, is_unavailable
from millrace_projector.rebuild_monitor import RebuildMonitor
from millrace_projector.stores import Stores
from millrace_readmodel import layout
from millrace_readmodel.audit import Audit, Difference
from millrace_readmodel.cards import decode_card
from millrace_readmodel.generations import GenerationTimeoutError, ReadModel, read_pointers
from millrace_readmodel.rebuild import LockLostError
from millrace_reference.npi import npi_check_digit

NPIS = [f"{first9}{npi_check_digit(first9)}" for first9 in map(str, range(100_000_000, 100_000_030))]


@asynccontextmanager
async def projecting(stores: Stores) -> AsyncIterator[Projector]:
    """Run a rebuild monitor in the background and yield a projector on the same stores."""
    monitor = RebuildMonitor(stores, interval=0.02, segments=1)
    read_model = ReadModel(stores.redis, stores.writer, request_rebuild=monitor.request_check)
    task = asyncio.create_task(monitor.run())
    try:
        yield Projector(stores.truth, read_model, AsOfTracker())
    finally:
        assert await ends_when_cancelled(task)


async def wait_for_generation(stores: Stores) -> int:
    """Wait until searches have a generation (complete copy) of the read model; return its number."""
    async with asyncio.timeout(30):
        while (number := (await read_pointers(stores.redis)).served) is None:  # noqa: ASYNC110 # the server can't call
            await asyncio.sleep(0.01)
    return number


async def find_differences(stores: Stores) -> list[Difference]:
    found: list[Difference] = []
    audit = Audit(stores.redis, await wait_for_generation(stores), found.append)
    await audit.start()
    await stores.truth.scan(audit.check)
    await audit.finish()
    return found


async def count_cards(stores: Stores) -> int:
    keys = await stores.redis.keys(f"{await wait_for_generation(stores)}:c:*")
    values = cast(list[bytes | None], await stores.redis.mget(keys)) if keys else []
    return sum(decode_card(value) is not None for value in values)


async def test_events_become_cards(stores: Stores, make: Any) -> None:
    records = [record for npi in NPIS for record in (make.record(make.provider(npi)), make.record(make.location(npi)))]
    async with projecting(stores) as projector:
        await projector.handle([*records, make.record(make.plan())])
        assert await count_cards(stores) == 30
        assert await find_differences(stores) == []


async def test_repeated_and_older_events_change_nothing(stores: Stores, make: Any) -> None:
    records = [make.record(make.provider(), 2), make.record(make.location(), 2)]
    async with projecting(stores) as projector:
        await projector.handle(records)
        assert projector.skipped == 0
        await projector.handle(records)
        assert projector.skipped == 2
        await projector.handle([make.record(make.provider(last_name="LATE"), 1)])
        assert projector.skipped == 3
        assert (await stores.truth.collection(make.provider().npi)).versions == 4
        assert await find_differences(stores) == []


async def test_openings_are_written_to_truth_and_read_model(stores: Stores, make: Any) -> None:
    async with projecting(stores) as projector:
        await projector.handle([make.record(make.week(NPIS[0]))])
        for npi in NPIS[:3]:
            await projector.handle([make.record(make.provider(npi)), make.record(make.location(npi))])
        await projector.handle([make.record(make.week(npi)) for npi in NPIS[1:3]])
        await projector.handle([make.record(make.week(NPIS[1], ()), 2)])
        assert len(await stores.redis.keys(f"{await wait_for_generation(stores)}:o:*")) == 1
        collection = await stores.truth.collection(NPIS[1])
        assert [week.version for weeks in collection.weeks.values() for week in weeks] == [2]
        assert collection.versions == 2
        assert await find_differences(stores) == []


async def test_openings_without_a_valid_start_are_rejected(stores: Stores, make: Any) -> None:
    async with projecting(stores) as projector:
        with pytest.raises(InvalidRecord, match="soon"):
            await projector.handle([make.record(make.week(starts=("soon",)))])


async def test_deletion_removes_the_card(stores: Stores, make: Any) -> None:
    async with projecting(stores) as projector:
        await projector.handle([make.record(make.provider()), make.record(make.location()), make.record(make.plan())])
        await projector.handle([make.record(make.location(), 2, deleted=True)])
        await projector.handle([make.record(make.plan(), 2, deleted=True)])
        assert await count_cards(stores) == 0
        assert await find_differences(stores) == []


async def test_concurrent_shards_of_the_same_providers_agree(stores: Stores, make: Any) -> None:
    async with projecting(stores) as projector:
        for version in (1, 2, 3):
            zip_code = ("10001", "60601", "90001")[version - 1]
            await asyncio.gather(
                projector.handle([make.record(make.provider(npi), version) for npi in NPIS]),
                projector.handle([make.record(make.location(npi, zip_code), version, shard="shard-1") for npi in NPIS]),
            )
        assert await count_cards(stores) == 30
        assert await find_differences(stores) == []


async def test_lost_redis_data_is_rebuilt(stores: Stores, make: Any) -> None:
    async with projecting(stores) as projector:
        for npi in NPIS[:10]:
            await projector.handle([make.record(make.provider(npi)), make.record(make.location(npi))])
        await stores.redis.flushall()
        for npi in NPIS[10:]:
            await projector.handle([make.record(make.provider(npi)), make.record(make.location(npi))])
        assert await count_cards(stores) == 30
        assert await find_differences(stores) == []


async def test_unfinished_rebuild_is_cleaned_up(stores: Stores) -> None:
    monitor = RebuildMonitor(stores, interval=0.02, segments=1)
    await monitor.check()
    dead = await wait_for_generation(stores) + 1
    await stores.redis.mset({layout.BUILDING_KEY: f"{dead} loading", f"{dead}:words": "x"})
    await monitor.check()
    assert (await read_pointers(stores.redis)).building is None
    assert await stores.redis.keys(f"{dead}:*") == []


async def test_running_rebuild_is_not_cleaned_up(stores: Stores) -> None:
    monitor = RebuildMonitor(stores, interval=0.02, segments=1)
    await monitor.check()
    await stores.redis.mset({layout.BUILDING_KEY: "7 loading", layout.REBUILD_LOCK_KEY: "other-token"})
    await monitor.check()
    assert (await read_pointers(stores.redis)).building == 7


@pytest.mark.parametrize("body", [b"not json", b'{"specversion":"1.0"}'])
async def test_record_without_an_event_is_rejected_with_its_reason(stores: Stores, make: Any, body: bytes) -> None:
    async with projecting(stores) as projector:
        bad = make.raw(body)
        with pytest.raises(InvalidRecord, match="not an envelope") as rejection:
            await projector.handle([make.record(make.provider()), bad])
        assert rejection.value.record is bad


async def test_data_of_another_entity_is_rejected(stores: Stores, make: Any) -> None:
    wrong = make.record(make.provider()).body.replace(b'"subject":"provider/1234567893"', b'"subject":"provider/1"')
    async with projecting(stores) as projector:
        with pytest.raises(InvalidRecord, match="subject"):
            await projector.handle([make.raw(wrong)])


@pytest.mark.parametrize(
    ("error", "unavailable"),
    [
        (RedisConnectionError(), True),
        (GenerationTimeoutError(), True),
        (Unavailable(), True),
        (ExceptionGroup("both", [RedisConnectionError(), OSError()]), True),
        (ExceptionGroup("one of them", [RedisConnectionError(), ValueError()]), False),
        (LockLostError(), False),
        (ValueError(), False),
    ],
)
def test_unavailable_stores_are_distinguished_from_bad_records(error: Exception, unavailable: bool) -> None:
    assert is_unavailable(error) is unavailable


class FailingMonitor(RebuildMonitor):
    """A monitor whose stores become unavailable at the moment of its cancellation."""

    def __init__(self) -> None:
        super().__init__(cast(Stores, None), interval=3600, segments=1)
        self.started = asyncio.Event()

    async def _clean_up(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise RedisConnectionError


async def test_monitor_ends_when_an_error_accompanies_its_cancellation() -> None:
    monitor = FailingMonitor()
    running = asyncio.create_task(monitor.run())
    await monitor.started.wait()
    assert await ends_when_cancelled(running)
