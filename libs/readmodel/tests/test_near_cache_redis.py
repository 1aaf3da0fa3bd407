"""The near cache against a real server: invalidation, lost connections, switches of generations."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from millrace_readmodel.cached_generation import Generation, GenerationMovedError, Kind
from millrace_readmodel.layout import GENERATION_KEY
from millrace_readmodel.near_cache import NearCache, NoGenerationError
from millrace_readmodel.tracking import Limits, UnavailableError, connect

VALUES: Kind[bytes] = Kind(b"v:", 10_000, lambda _, value: value or b"absent", len)
LIMITS = Limits(timeout=2.0)


class Companion:
    def __init__(self) -> None:
        self.prepared: list[int] = []
        self.told: list[bytes | None] = []

    async def prepare(self, generation: Generation) -> None:
        self.prepared.append(generation.number)

    def changed(self, generation: Generation, key: bytes | None) -> None:
        self.told.append(key)


@asynccontextmanager
async def running(url: str, companion: Companion | None = None) -> AsyncIterator[NearCache]:
    near = NearCache(url, (VALUES,), companion or Companion(), limits=LIMITS)
    task = asyncio.create_task(near.run())
    try:
        yield near
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 # of things that tell nobody
            await asyncio.sleep(0.002)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


async def value(near: NearCache, key: bytes) -> bytes:
    generation = near.current or await near.untracked()
    return (await generation.load(VALUES, [key]))[key]


async def tracker_ids(redis: Redis) -> list[int]:
    return [int(client["id"]) for client in await redis.client_list() if client["sub"] == "1"]


async def test_a_change_reaches_the_cache(redis_url: str, redis: Redis) -> None:
    await redis.mset({"1:v:a": "old", GENERATION_KEY: 1})
    async with running(redis_url) as near:
        await until(lambda: near.current is not None)
        assert await value(near, b"1:v:a") == b"old"
        current = near.current
        assert current is not None
        assert current.store(VALUES).get(b"1:v:a") == b"old"
        await redis.setrange("1:v:a", 0, "new")
        await until(lambda: current.store(VALUES).get(b"1:v:a") is None)
        assert await value(near, b"1:v:a") == b"new"


async def test_the_cache_never_stays_behind_a_writer(redis_url: str, redis: Redis) -> None:
    await redis.mset({"1:v:a": 0, GENERATION_KEY: 1})
    async with running(redis_url) as near:
        await until(lambda: near.current is not None)
        reading = True

        async def read() -> None:
            seen = 0
            while reading:
                now = int(await value(near, b"1:v:a"))
                assert now >= seen
                seen = now
                await asyncio.sleep(0)

        readers = [asyncio.create_task(read()) for _ in range(4)]
        for number in range(1, 500):
            await redis.set("1:v:a", number)
        current = near.current
        assert current is not None
        async with asyncio.timeout(10):
            while await value(near, b"1:v:a") != b"499":  # noqa: ASYNC110 # the cache tells nobody
                await asyncio.sleep(0)
        reading = False
        await asyncio.gather(*readers)


async def test_a_lost_tracking_connection_empties_the_cache_until_it_is_back(redis_url: str, redis: Redis) -> None:
    await redis.mset({"1:v:a": "old", GENERATION_KEY: 1})
    async with running(redis_url) as near:
        await until(lambda: near.current is not None)
        before = near.current
        assert before is not None
        assert await value(near, b"1:v:a") == b"old"
        for client in await tracker_ids(redis):
            await redis.client_kill_filter(_id=str(client))
        await redis.set("1:v:a", "new")
        await until(lambda: not before.live)
        assert before.store(VALUES).get(b"1:v:a") is None
        assert await value(near, b"1:v:a") == b"new"
        await until(lambda: near.current is not None)
        assert near.current is not before
        assert await value(near, b"1:v:a") == b"new"
        assert near.counters.tracking_lost == 1


async def test_a_lost_reading_connection_is_opened_again(redis_url: str, redis: Redis) -> None:
    await redis.mset({"1:v:a": "A", GENERATION_KEY: 1})
    async with running(redis_url) as near:
        await until(lambda: near.current is not None)
        trackers = await tracker_ids(redis)
        own = await redis.client_id()
        for client in await redis.client_list():
            if int(client["id"]) not in (*trackers, own):
                await redis.client_kill_filter(_id=client["id"])

        async def answered() -> bytes:
            while True:
                try:
                    return await value(near, b"1:v:a")
                except UnavailableError:
                    await asyncio.sleep(0.002)

        assert await asyncio.wait_for(answered(), 10) == b"A"


async def test_a_switch_hands_out_the_next_generation(redis_url: str, redis: Redis) -> None:
    await redis.mset({"1:v:a": "one", "2:v:a": "two", GENERATION_KEY: 1})
    companion = Companion()
    async with running(redis_url, companion) as near:
        await until(lambda: near.current is not None)
        first = near.current
        assert first is not None
        await redis.set(GENERATION_KEY, 2)
        await redis.delete("1:v:a")
        with pytest.raises(GenerationMovedError):
            await first.load(VALUES, [b"1:v:a"])
        assert (await near.untracked()).number == 2
        await until(lambda: near.current is not None and near.current.number == 2)
        assert await value(near, b"2:v:a") == b"two"
        assert companion.prepared == [1, 2]
        assert near.counters.tracking_lost == 0


async def test_nothing_served_is_said_so(redis_url: str, redis: Redis) -> None:
    async with running(redis_url) as near:
        async with asyncio.timeout(10):
            while True:
                try:
                    await near.untracked()
                except NoGenerationError:
                    break
                except UnavailableError:
                    await asyncio.sleep(0.002)
        await near.check()
        await redis.mset({"1:v:a": "A", GENERATION_KEY: 1})
        await until(lambda: near.current is not None)
        assert await value(near, b"1:v:a") == b"A"
        await redis.flushall()
        await until(lambda: near.current is None)


async def test_other_keys_of_the_generation_are_told(redis_url: str, redis: Redis) -> None:
    await redis.set(GENERATION_KEY, 1)
    companion = Companion()
    async with running(redis_url, companion) as near:
        await until(lambda: near.current is not None)
        await redis.sadd("2:words", "elsewhere")
        await redis.sadd("1:words", "smith")
        await until(lambda: b"1:words" in companion.told)
        assert b"2:words" not in companion.told


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(UnavailableError):
        await connect("redis://127.0.0.1:1/0", LIMITS)
