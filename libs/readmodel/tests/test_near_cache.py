"""Rules of the in-process cache, with a fake server whose replies the test sets."""

import asyncio
from typing import Any

import pytest

from millrace_readmodel.cached_generation import (
    KEYS_PER_PRELOAD,
    CachedGeneration,
    Counters,
    GenerationReplacedError,
    KeySpace,
)
from millrace_readmodel.lru import LruCache
from millrace_readmodel.tracking import UnavailableError

from .conftest import RecordingObserver


class Server:
    """Records commands; the test replies to them in order."""

    def __init__(self) -> None:
        self.commands: list[tuple[Any, ...]] = []
        self.replies: list[asyncio.Future[Any]] = []

    def send(self, *command: Any) -> "asyncio.Future[Any]":
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.commands.append(command)
        self.replies.append(reply)
        return reply

    async def wait_for_commands(self, n: int) -> None:
        while len(self.commands) < n:  # noqa: ASYNC110 # a turn of the loop is all it takes
            await asyncio.sleep(0)

    async def reply(self, *result: Any) -> tuple[Any, ...]:
        """Wait for the first command without a reply, reply to it, and return it."""
        number = sum(reply.done() for reply in self.replies)
        await self.wait_for_commands(number + 1)
        self.replies[number].set_result(list(result))
        return self.commands[number]


def read(_key: bytes, value: bytes | None) -> str:
    if value == b"unreadable":
        raise ValueError(value)
    return (value or b"absent").decode()


WORDS: KeySpace[str] = KeySpace(b"w:", 100, read, len)
MORE: KeySpace[str] = KeySpace(b"m:", 100, read, len)
THINGS: KeySpace[str] = KeySpace(b"t:", 8, read, len, preloaded=True, enumerated=True)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def observer() -> RecordingObserver:
    return RecordingObserver()


@pytest.fixture
def generation(server: Server, observer: RecordingObserver) -> CachedGeneration:
    made = CachedGeneration(7, (WORDS, MORE, THINGS), server.send, Counters(), observer)
    made.is_tracked = True
    return made


async def test_misses_of_one_turn_share_a_command_that_ends_with_the_pointer(
    generation: CachedGeneration, server: Server
) -> None:
    first = asyncio.create_task(generation.load(WORDS, [b"7:w:a", b"7:w:b"]))
    second = asyncio.create_task(generation.load(MORE, [b"7:m:c"]))
    command = await server.reply(b"A", b"B", None, b"7")
    assert command == ("MGET", b"7:w:a", b"7:w:b", b"7:m:c", "rm:generation")
    assert await first == {b"7:w:a": "A", b"7:w:b": "B"}
    assert await second == {b"7:m:c": "absent"}


async def test_concurrent_loads_share_a_fetch_despite_cancellation(
    generation: CachedGeneration, server: Server
) -> None:
    tasks = [asyncio.create_task(generation.load(WORDS, [b"7:w:a"])) for _ in range(3)]
    await server.wait_for_commands(1)
    tasks[0].cancel()
    await asyncio.wait([tasks[0]])
    await server.reply(b"A", b"7")
    assert await asyncio.gather(*tasks[1:]) == [{b"7:w:a": "A"}] * 2
    assert len(server.commands) == 1


async def test_value_is_cached_until_it_changes(generation: CachedGeneration, server: Server) -> None:
    loading = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.reply(b"A", b"7")
    await loading
    assert generation.cache(WORDS).get(b"7:w:a") == "A"
    generation.on_invalidation([b"7:w:a"])
    assert generation.cache(WORDS).get(b"7:w:a") is None


async def test_value_changed_during_fetch_is_not_cached(generation: CachedGeneration, server: Server) -> None:
    early = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.wait_for_commands(1)
    generation.on_invalidation([b"7:w:a"])
    late = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.wait_for_commands(2)
    await server.reply(b"old", b"7")
    assert await early == {b"7:w:a": "old"}
    assert generation.cache(WORDS).get(b"7:w:a") is None
    await server.reply(b"new", b"7")
    assert await late == {b"7:w:a": "new"}
    assert generation.cache(WORDS).get(b"7:w:a") == "new"


async def test_nothing_is_cached_without_tracking(generation: CachedGeneration, server: Server) -> None:
    loading = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.wait_for_commands(1)
    generation.on_disconnect()
    await server.reply(b"A", b"7")
    assert await loading == {b"7:w:a": "A"}
    assert len(generation.cache(WORDS)) == 0
    assert generation.ended.is_set()


@pytest.mark.parametrize("pointer", [b"8", None])
async def test_values_of_replaced_generation_are_not_used(
    generation: CachedGeneration, server: Server, pointer: bytes | None
) -> None:
    loading = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.reply(None, pointer)
    with pytest.raises(GenerationReplacedError):
        await loading
    assert len(generation.cache(WORDS)) == 0


async def test_invalid_value_fails_only_its_own_load(generation: CachedGeneration, server: Server) -> None:
    bad = asyncio.create_task(generation.load(WORDS, [b"7:w:bad"]))
    good = asyncio.create_task(generation.load(WORDS, [b"7:w:good"]))
    await server.reply(b"unreadable", b"G", b"7")
    assert await good == {b"7:w:good": "G"}
    with pytest.raises(ValueError, match="unreadable"):
        await bad


async def test_lost_connection_fails_load_and_next_load_retries(generation: CachedGeneration, server: Server) -> None:
    loading = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.wait_for_commands(1)
    server.replies[0].set_exception(UnavailableError("connection lost"))
    with pytest.raises(UnavailableError):
        await loading
    again = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.reply(b"A", b"7")
    assert await again == {b"7:w:a": "A"}


async def test_long_load_is_split_into_commands(generation: CachedGeneration, server: Server) -> None:
    keys = [b"7:w:%d" % i for i in range(300)]
    loading = asyncio.create_task(generation.load(WORDS, keys))
    await server.wait_for_commands(3)
    for command, reply in zip(server.commands, server.replies, strict=True):
        reply.set_result([*command[1:-1], b"7"])
    assert await loading == {key: key.decode() for key in keys}


async def test_changes_of_other_keys_reach_the_observer(
    generation: CachedGeneration, observer: RecordingObserver
) -> None:
    generation.on_invalidation([b"7:words", b"7:w:a"])
    assert observer.changes == [b"7:words"]
    generation.on_invalidation(None)
    assert observer.changes == [b"7:words", None]


@pytest.mark.parametrize("keys", [[b"rm:generation"], None])
def test_changed_pointer_ends_the_generation(generation: CachedGeneration, keys: list[bytes] | None) -> None:
    generation.on_invalidation(keys)
    assert generation.ended.is_set()


async def test_key_missing_from_enumeration_is_absent_without_fetch(
    generation: CachedGeneration, server: Server
) -> None:
    preload = asyncio.create_task(generation.preload(THINGS))
    assert (await server.reply(b"9", [b"7:t:a"]))[:4] == ("SCAN", b"0", "MATCH", b"7:t:*")
    await server.wait_for_commands(2)
    assert server.commands[1] == ("MGET", b"7:t:a", "rm:generation")
    generation.on_invalidation([b"7:t:new"])
    await server.reply(b"A", b"7")
    await server.reply(b"0", [])
    await preload
    assert await generation.load(THINGS, [b"7:t:a", b"7:t:none"]) == {b"7:t:a": "A", b"7:t:none": "absent"}
    for key in (b"7:t:new", b"7:t:later"):
        generation.on_invalidation([key])
        created = asyncio.create_task(generation.load(THINGS, [key]))
        await server.reply(b"L", b"7")
        assert await created == {key: "L"}


async def test_preload_stops_when_cache_is_full(generation: CachedGeneration, server: Server) -> None:
    preload = asyncio.create_task(generation.preload(THINGS))
    await server.reply(b"5", [b"7:t:%02d" % i for i in range(40)])
    await server.reply(*[b"X"] * KEYS_PER_PRELOAD, b"7")
    await server.reply(b"0", [b"7:t:last"])
    await preload
    assert generation.cache(THINGS).bytes == 8
    assert [command[0] for command in server.commands] == ["SCAN", "MGET", "SCAN"]


async def test_preload_of_ended_generation_enumerates_nothing(generation: CachedGeneration, server: Server) -> None:
    preload = asyncio.create_task(generation.preload(THINGS))
    await server.wait_for_commands(1)
    generation.on_invalidation(None)
    await server.reply(b"0", [])
    await preload
    loading = asyncio.create_task(generation.load(THINGS, [b"7:t:a"]))
    await server.reply(b"A", b"7")
    assert await loading == {b"7:t:a": "A"}


def test_least_recently_used_values_are_evicted() -> None:
    cache: LruCache[str, str] = LruCache(6, len)
    for key in "abc":
        cache.put(key, key * 2)
    assert cache.get("a") == "aa"
    cache.put("d", "dd")
    assert [cache.get(key) for key in "abcd"] == ["aa", None, "cc", "dd"]
    cache.put("c", "c")
    assert (cache.bytes, len(cache), cache.evictions) == (5, 3, 1)


def test_value_larger_than_capacity_is_not_cached_and_evicts_nothing() -> None:
    cache: LruCache[str, str] = LruCache(3, len)
    cache.put("a", "aa")
    cache.put("b", "bbbb")
    assert (cache.get("a"), cache.get("b"), cache.bytes, cache.evictions) == ("aa", None, 2, 0)
    cache.put("a", "aaaa")
    assert (cache.get("a"), cache.bytes) == (None, 0)


async def test_fetches_beyond_the_limit_fail_immediately(
    generation: CachedGeneration, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace_readmodel.cached_generation.MAX_FETCHES", 1)
    waiting = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.wait_for_commands(1)
    with pytest.raises(UnavailableError):
        await generation.load(WORDS, [b"7:w:b"])
    await server.reply(b"A", b"7")
    await waiting
