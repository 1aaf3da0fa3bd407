"""Rebuilds of the read model, and projections during a rebuild."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from millrace_readmodel import bulk, layout
from millrace_readmodel.generations import (
    GenerationTimeoutError,
    Phase,
    Pointers,
    ReadModel,
    next_generation,
    read_pointers,
    remove_stale_generations,
)
from millrace_readmodel.rebuild import LockLostError, Progress, Rebuild, RebuildResult, RebuildRunningError
from millrace_readmodel.writer import ReadModelWriter

NPIS = [f"1{number:09d}" for number in range(40)]


@pytest.fixture
async def filled(truth: Any, make: Any) -> Any:
    await truth.put([make.provider(npi, 1) for npi in NPIS])
    await truth.put([make.location(npi, 1, plans=("A",)) for npi in NPIS])
    await truth.put([make.plan("A", 1)])
    return truth


def rebuild(redis: Any, truth: Any, **options: Any) -> Rebuild:
    return Rebuild(redis, truth, ReadModelWriter(redis, truth), grace=0.0, **options)


def read_model(redis: Any, truth: Any, request_rebuild: Callable[[], None] = lambda: None) -> ReadModel:
    return ReadModel(redis, ReadModelWriter(redis, truth), request_rebuild=request_rebuild, timeout=0.2)


async def test_rebuild_fills_an_empty_read_model(redis: Any, filled: Any, differences: Any) -> None:
    done = await rebuild(redis, filled).run()
    assert (done.loaded.cards, done.loaded.plans, done.items) == (40, 1, 81)
    assert await read_pointers(redis) == Pointers(done.generation, None, None)
    assert await differences(filled, done.generation) == []


async def test_previous_generation_is_removed(redis: Any, filled: Any) -> None:
    first = await rebuild(redis, filled).run()
    second = await rebuild(redis, filled).run()
    assert second.generation == first.generation + 1
    assert await redis.keys(f"{first.generation}:*") == []
    assert {key.partition(b":")[0] for key in await redis.keys("[0-9]*")} == {b"%d" % second.generation}


async def test_rebuild_includes_concurrent_changes(redis: Any, filled: Any, make: Any, differences: Any) -> None:
    """Projections continue in every phase while providers move and leave."""
    await rebuild(redis, filled).run()
    model = read_model(redis, filled)
    versions = dict.fromkeys(NPIS, 1)
    stop = asyncio.Event()

    async def project(npis: list[str]) -> None:
        while not stop.is_set():
            for npi in npis:
                versions[npi] += 1
                place = ("Chicago", "Houston", "New York")[versions[npi] % 3]
                item = make.location(npi, versions[npi], place=place, plans=(f"P{versions[npi] % 5}",))
                await filled.put([make.deleted(item, versions[npi]) if versions[npi] % 7 == 0 else item])
                await model.apply([f"PROVIDER#{npi}"])

    async def rebuilds() -> list[RebuildResult]:
        try:
            return [await rebuild(redis, filled).run() for _ in range(6)]
        finally:
            stop.set()

    async with asyncio.TaskGroup() as group:
        for start in range(4):
            group.create_task(project(NPIS[start::4]))
        done = group.create_task(rebuilds())
    assert sum(each.caught_up for each in done.result()) > 0
    assert await differences(filled, done.result()[-1].generation) == []


@pytest.mark.parametrize("at", ["loading", "writing partitions and names"])
async def test_failed_rebuild_is_harmless_and_removed_by_the_next(
    redis: Any, filled: Any, make: Any, differences: Any, at: str
) -> None:
    served = (await rebuild(redis, filled).run()).generation

    def fail_at_step(progress: Progress) -> None:
        if progress.step == at:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        await rebuild(redis, filled, report=fail_at_step).run()
    assert (await read_pointers(redis)).served == served
    await filled.put([make.location(NPIS[0], 2, place="Houston")])
    await read_model(redis, filled).apply([f"PROVIDER#{NPIS[0]}"])
    assert await differences(filled, served) == []

    done = await rebuild(redis, filled).run()
    assert {key.partition(b":")[0] for key in await redis.keys("[0-9]*")} == {b"%d" % done.generation}
    assert await differences(filled, done.generation) == []


async def test_second_rebuild_is_rejected(redis: Any, filled: Any) -> None:
    await redis.set(layout.REBUILD_LOCK_KEY, "other holder", px=60_000)
    with pytest.raises(RebuildRunningError):
        await rebuild(redis, filled).run()
    assert await redis.get(layout.REBUILD_LOCK_KEY) == b"other holder"


async def test_rebuild_without_lock_does_not_switch(redis: Any, filled: Any) -> None:
    served = (await rebuild(redis, filled).run()).generation

    class LockStealingTruth:
        async def scan(self, handle: Any, *, segments: int = 1) -> None:
            await filled.scan(handle)
            await redis.set(layout.REBUILD_LOCK_KEY, "other holder")

    with pytest.raises(LockLostError):
        await Rebuild(redis, LockStealingTruth(), ReadModelWriter(redis, filled), grace=0.0).run()
    assert (await read_pointers(redis)).served == served
    assert await redis.get(layout.REBUILD_LOCK_KEY) == b"other holder"


async def test_lock_is_renewed_during_rebuild(redis: Any, filled: Any) -> None:
    left: list[int] = []
    renewed = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        left.append(await redis.pttl(layout.REBUILD_LOCK_KEY))
        await redis.pexpire(layout.REBUILD_LOCK_KEY, 5_000)
        if len(left) == 3:
            renewed.set()

    class SlowTruth:
        async def scan(self, handle: Any, *, segments: int = 1) -> None:
            await renewed.wait()
            await filled.scan(handle)

    await Rebuild(redis, SlowTruth(), ReadModelWriter(redis, filled), sleep=sleep).run()
    assert min(left[:3]) > 5_000
    assert await redis.exists(layout.REBUILD_LOCK_KEY) == 0


async def test_projection_follows_changing_pointers(redis: Any, truth: Any) -> None:
    """While the projector writes, the rebuild advances by one step: loading, catching up, switched."""
    steps: list[dict[str, str | None]] = [
        {layout.BUILDING_KEY: "2 loading"},
        {layout.BUILDING_KEY: "2 catching-up"},
        {layout.GENERATION_KEY: "2", layout.BUILDING_KEY: None},
    ]
    written: list[int] = []

    class SwitchingWriter(ReadModelWriter):
        async def write(self, generation: int, aggregates: Any, weeks: Any = ()) -> None:
            written.append(generation)
            if steps:
                step = steps.pop(0)
                await redis.mset({key: value for key, value in step.items() if value})
                await redis.delete("nothing", *(key for key, value in step.items() if not value))

    await redis.set(layout.GENERATION_KEY, "1")
    await ReadModel(redis, SwitchingWriter(redis, truth), request_rebuild=lambda: None).apply(["PROVIDER#1"])
    assert written == [1, 1, 1, 2, 2]
    assert await redis.smembers(layout.dirty_key(2)) == {b"PROVIDER#1"}


async def test_projection_without_generation_requests_rebuild_and_waits(
    redis: Any, filled: Any, make: Any, differences: Any
) -> None:
    running: list[asyncio.Task[RebuildResult]] = []

    def request_rebuild() -> None:
        if not running:
            running.append(asyncio.create_task(rebuild(redis, filled).run()))

    await filled.put([make.location(NPIS[0], 2, place="Houston")])
    await read_model(redis, filled, request_rebuild).apply([f"PROVIDER#{NPIS[0]}"])
    done = await running[0]
    assert await differences(filled, done.generation) == []


async def test_projection_without_rebuild_fails(redis: Any, filled: Any) -> None:
    with pytest.raises(GenerationTimeoutError):
        await read_model(redis, filled).apply([f"PROVIDER#{NPIS[0]}"])


async def test_removal_of_stale_generations_spares_used_ones(redis: Any) -> None:
    for generation in (1, 2, 3):
        await bulk.load(redis, generation, [])
    await redis.mset({layout.GENERATION_KEY: "2", layout.BUILDING_KEY: "3 loading", "foreign": "1:words"})
    await remove_stale_generations(redis)
    assert await redis.keys("1:*") == []
    assert await redis.exists("2:plan-sets", "3:plan-sets", "foreign") == 3


def test_generation_numbers_rise_from_a_random_start() -> None:
    assert next_generation(Pointers(4, None, None)) == 5
    assert next_generation(Pointers(4, 5, Phase.LOADING)) == 6
    assert next_generation(Pointers(None, None, None), choose=lambda numbers: numbers[-1]) == 999
