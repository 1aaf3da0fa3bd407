"""The near cache against a real server: invalidation, lost connections, switches of generations."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from millrace_readmodel.cached_generation import GenerationReplacedError, KeySpace
from millrace_readmodel.layout import GENERATION_KEY
from millrace_readmodel.near_cache import NearCache, NoGenerationError
from millrace_readmodel.tracking import Limits, UnavailableError, connect

from .conftest import RecordingObserver

VALUES: KeySpace[bytes] = KeySpace(b"v:", 10_000, lambda _, load_value: load_value or b"absent", len)
LIMITS = Limits(timeout=2.0)


@asynccontextmanager
async def run_near_cache(url: str, observer: RecordingObserver | None = None) -> AsyncIterator[NearCache]:
    near = NearCache(url, (VALUES,), observer or RecordingObserver(), limits=LIMITS)
    task = asyncio.create_task(near.run())
    try:
        yield near
    finally:
        task.cancel()
        await asyncio.wait([task])


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 # the condition has no event
            await asyncio.sleep(0.002)


async def load_value(near: NearCache, key: bytes) -> bytes:
    generation = near.current or await near.open_untracked()
    return (await generation.load(VALUES, [key]))[key]


async def tracker_ids(redis: Redis) -> list[int]:
    return [int(client["id"]) for client in await redis.client_list() if client["sub"] == "1"]


async def test_change_reaches_the_cache(redis_url: str, redis: Redis) -> None:
    await redis.mset({"1:v:a": "old", GENERATION_KEY: 1})
    async with run_near_cache(redis_url) as near:
        await wait_until(lambda: near.current is not None)
        assert await load_value(near, b"1:v:a") == b"old"
        current = near.current
        assert current is not None
        assert current.cache(VALUES).get(b"1:v:a") == b"old"
        await redis.setrange("1:v:a", 0, "new")
        await wait_until(lambda: current.cache(VALUES).get(b"1:v:a") is None)
        assert await load_value(near, b"1:v:a") == b"new"


async def test_cache_never_returns_older_values(redis_url: str, redis: Redis) -> None:
    await redis.mset({"1:v:a": 0, GENERATION_KEY: 1})
    async with run_near_cache(redis_url) as near:
        await wait_until(lambda: near.current is not None)
        reading = True

        async def read() -> None:
            seen = 0
            while reading:
                now = int(await load_value(near, b"1:v:a"))
                assert now >= seen
                seen = now
                await asyncio.sleep(0)

        readers = [asyncio.create_task(read()) for _ in range(4)]
        for number in range(1, 500):
            await redis.set("1:v:a", number)
        current = near.current
        assert current is not None
        async with asyncio.timeout(10):
            while await load_value(near, b"1:v:a") != b"499":  # noqa: ASYNC110 # the cache has no event
                await asyncio.sleep(0)
        reading = False
        await asyncio.gather(*readers)


async def test_lost_tracking_connection_empties_the_cache_until_it_is_back(redis_url: str, redis: Redis) -> None:
    await redis.mset({"1:v:a": "old", GENERATION_KEY: 1})
    async with run_near_cache(redis_url) as near:
        await wait_until(lambda: near.current is not None)
        before = near.current
        assert before is not None
        assert await load_value(near, b"1:v:a") == b"old"
        for client in await tracker_ids(redis):
            await redis.client_kill_filter(_id=str(client))
        await redis.set("1:v:a", "new")
        await wait_until(lambda: not before.is_tracked)
        assert before.cache(VALUES).get(b"1:v:a") is None
        assert await load_value(near, b"1:v:a") == b"new"
        await wait_until(lambda: near.current is not None)
        assert near.current is not before
        assert await load_value(near, b"1:v:a") == b"new"
        assert near.counters.tracking_lost == 1


async def test_lost_reading_connection_reconnects(redis_url: str, redis: Redis) -> None:
    await redis.mset({"1:v:a": "A", GENERATION_KEY: 1})
    async with run_near_cache(redis_url) as near:
        await wait_until(lambda: near.current is not None)
        trackers = await tracker_ids(redis)
        own = await redis.client_id()
        for client in await redis.client_list():
            if int(client["id"]) not in (*trackers, own):
                await redis.client_kill_filter(_id=client["id"])

        async def load_with_retries() -> bytes:
            while True:
                try:
                    return await load_value(near, b"1:v:a")
                except UnavailableError:
                    await asyncio.sleep(0.002)

        assert await asyncio.wait_for(load_with_retries(), 10) == b"A"


async def test_switch_replaces_the_generation(redis_url: str, redis: Redis) -> None:
    await redis.mset({"1:v:a": "one", "2:v:a": "two", GENERATION_KEY: 1})
    observer = RecordingObserver()
    async with run_near_cache(redis_url, observer) as near:
        await wait_until(lambda: near.current is not None)
        first = near.current
        assert first is not None
        await redis.set(GENERATION_KEY, 2)
        await redis.delete("1:v:a")
        with pytest.raises(GenerationReplacedError):
            await first.load(VALUES, [b"1:v:a"])
        assert (await near.open_untracked()).number == 2
        await wait_until(lambda: near.current is not None and near.current.number == 2)
        assert await load_value(near, b"2:v:a") == b"two"
        assert observer.prepared == [1, 2]
        assert near.counters.tracking_lost == 0


async def test_missing_generation_is_reported(redis_url: str, redis: Redis) -> None:
    async with run_near_cache(redis_url) as near:
        async with asyncio.timeout(10):
            while True:
                try:
                    await near.open_untracked()
                except NoGenerationError:
                    break
                except UnavailableError:
                    await asyncio.sleep(0.002)
        await near.check()
        await redis.mset({"1:v:a": "A", GENERATION_KEY: 1})
        await wait_until(lambda: near.current is not None)
        assert await load_value(near, b"1:v:a") == b"A"
        await redis.flushall()
        await wait_until(lambda: near.current is None)


async def test_observer_receives_other_keys_of_the_generation_only(redis_url: str, redis: Redis) -> None:
    await redis.set(GENERATION_KEY, 1)
    observer = RecordingObserver()
    async with run_near_cache(redis_url, observer) as near:
        await wait_until(lambda: near.current is not None)
        await redis.sadd("2:words", "elsewhere")
        await redis.sadd("1:words", "smith")
        await wait_until(lambda: b"1:words" in observer.changes)
        assert b"2:words" not in observer.changes


async def test_connection_to_missing_server_is_unavailable() -> None:
    with pytest.raises(UnavailableError):
        await connect("redis://127.0.0.1:1/0", LIMITS)
