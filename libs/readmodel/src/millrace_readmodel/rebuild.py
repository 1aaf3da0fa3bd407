"""Makes a new generation of the read model from the truth while searches and projections go on."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from millrace_readmodel import layout
from millrace_readmodel.bulk import Loaded, Loader
from millrace_readmodel.cards import Card, cards_of
from millrace_readmodel.generations import Phase, next_number, pointers, tidy
from millrace_readmodel.items import PLAN_PREFIX, PROVIDER_PREFIX, Item, PlanItem, collection_of, plan_of
from millrace_readmodel.writer import ReadModelWriter

LOCK_MILLISECONDS: Final = 10_000
RENEW_SECONDS: Final = 3.0
GRACE_SECONDS: Final = 5.0
DRAINED_AT_ONCE: Final = 200

# Each acts only for the holder of the lock, whose token is ARGV[1].
_HOLD = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
RENEW: Final = _HOLD + "return redis.call('PEXPIRE', KEYS[1], ARGV[2])"
RELEASE: Final = _HOLD + "return redis.call('DEL', KEYS[1])"
BUILDING: Final = _HOLD + "redis.call('SET', KEYS[2], ARGV[2]) return 1"
FORGET: Final = _HOLD + "redis.call('DEL', KEYS[2]) return 1"
SWITCH: Final = _HOLD + "redis.call('SET', KEYS[3], ARGV[2]) redis.call('DEL', KEYS[2]) return 1"


class RebuildRunningError(Exception):
    """Another rebuild holds the lock."""


class LockLostError(Exception):
    """The rebuild was too slow, or the server lost its memory: what was built is thrown away."""


class Truth(Protocol):
    async def scan(self, handle: Callable[[list[list[Item]]], Awaitable[None]], *, segments: int = 1) -> None:
        """Hand all items to `handle`, grouped by partition key."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is; `step` is a word for people."""

    step: str
    cards: int = 0
    items: int = 0


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild made. `seconds` is the time until the switch, `caught_up` counts what changed meanwhile."""

    generation: int
    loaded: Loaded
    items: int
    caught_up: int
    seconds: float


async def at_once() -> None:
    """Wait for nothing."""


class Rebuild:
    """One rebuild. `report` is told of the progress, now and then; the truth is read when `settled` returns."""

    def __init__(
        self,
        redis: Redis,
        truth: Truth,
        writer: ReadModelWriter,
        *,
        report: Callable[[Progress], None] = lambda _: None,
        settled: Callable[[], Awaitable[None]] = at_once,
        segments: int = 1,
        grace: float = GRACE_SECONDS,
        token: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._redis = redis
        self._truth = truth
        self._writer = writer
        self._report = report
        self._settled = settled
        self._segments = segments
        self._grace = grace
        self._token = token or secrets.token_hex(16)
        self._monotonic = monotonic
        self._sleep = sleep
        self._items = 0

    async def run(self) -> Rebuilt:
        """Returns when the new generation is served and the old one deleted.

        Raises `RebuildRunningError`, `LockLostError`, `RedisError`, or what the truth raises; nothing has changed then
        for searches, and the next rebuild removes what this one left.
        """
        async with rebuild_lock(self._redis, self._token, self._sleep):
            before = await pointers(self._redis)
            rebuilt = await self._make(next_number(before))
            if before.served is not None:
                self._report(Progress("removing the former generation", rebuilt.loaded.cards, rebuilt.items))
                await self._sleep(self._grace)
            await tidy(self._redis)
            # A projector that was slow to see the switch may have noted something once more.
            await self._redis.unlink(layout.dirty_key(rebuilt.generation))
            return rebuilt

    async def _make(self, generation: int) -> Rebuilt:
        started = self._monotonic()
        await self._as_holder(FORGET)
        await tidy(self._redis)
        await self._as_holder(BUILDING, f"{generation} {Phase.LOADING.value}")
        await self._settled()
        # Whatever was noted by now stands in the truth, which is only read from here on.
        await self._redis.unlink(layout.dirty_key(generation))
        loaded = await self._load(generation)
        await self._as_holder(BUILDING, f"{generation} {Phase.CATCHING_UP.value}")
        caught_up = await self._drain(generation)
        await self._as_holder(SWITCH, str(generation))
        seconds = self._monotonic() - started
        return Rebuilt(generation, loaded, self._items, caught_up, seconds)

    async def _load(self, generation: int) -> Loaded:
        loader = Loader(self._redis, generation)

        async def handle(partitions: list[list[Item]]) -> None:
            self._items += sum(map(len, partitions))
            await loader.add(_cards(partitions))
            await loader.add_plans(_plans(partitions))
            self._report(Progress("loading", loader.count, self._items))

        await self._truth.scan(handle, segments=self._segments)
        self._report(Progress("writing partitions and names", loader.count, self._items))
        return await loader.close()

    async def _drain(self, generation: int) -> int:
        """Write what changed while the generation was loaded. Whoever notes more now will also write it himself."""
        key = layout.dirty_key(generation)
        count = 0
        while changed := cast(list[bytes], await self._redis.srandmember(key, DRAINED_AT_ONCE)):
            await self._writer.write(generation, [each.decode() for each in changed])
            await self._redis.srem(key, *changed)
            count += len(changed)
        return count

    async def _as_holder(self, script: str, *arguments: str) -> None:
        keys = layout.REBUILD_LOCK_KEY, layout.BUILDING_KEY, layout.GENERATION_KEY
        if not await self._redis.eval(script, len(keys), *keys, self._token, *arguments):
            raise LockLostError("another rebuild may be running")


async def clean_up(redis: Redis, *, token: str | None = None) -> int:
    """Remove what a broken rebuild left; returns the number of keys. Raises `RebuildRunningError`."""
    async with rebuild_lock(redis, token or secrets.token_hex(16)):
        await redis.delete(layout.BUILDING_KEY)
        return await tidy(redis)


async def running(redis: Redis) -> bool:
    """Whether somebody makes a new generation now."""
    return bool(await redis.exists(layout.REBUILD_LOCK_KEY))


@asynccontextmanager
async def rebuild_lock(
    redis: Redis, token: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncIterator[None]:
    """Hold the lock that allows one rebuild at a time. Raises `RebuildRunningError`; `LockLostError` from the block."""
    if not await redis.set(layout.REBUILD_LOCK_KEY, token, nx=True, px=LOCK_MILLISECONDS):
        raise RebuildRunningError("another rebuild is running")
    try:
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(_renew(redis, token, sleep))
            yield
            renewing.cancel()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        with contextlib.suppress(RedisError):  # it expires by itself
            await redis.eval(RELEASE, 1, layout.REBUILD_LOCK_KEY, token)


async def _renew(redis: Redis, token: str, sleep: Callable[[float], Awaitable[None]]) -> None:
    # A cancellation that arrives while redis-py sends may get lost: asyncio.wait_for swallows it before Python 3.12.
    me = asyncio.current_task()
    while me is None or not me.cancelling():
        await sleep(RENEW_SECONDS)
        if not await redis.eval(RENEW, 1, layout.REBUILD_LOCK_KEY, token, str(LOCK_MILLISECONDS)):
            raise LockLostError("the rebuild lock has expired")


def _cards(partitions: list[list[Item]]) -> Iterator[Card]:
    for items in partitions:
        pk = items[0].pk
        if pk.startswith(PROVIDER_PREFIX):
            yield from cards_of(collection_of(pk.removeprefix(PROVIDER_PREFIX), items))


def _plans(partitions: list[list[Item]]) -> list[PlanItem]:
    return [plan_of(items[0]) for items in partitions if items[0].pk.startswith(PLAN_PREFIX)]
