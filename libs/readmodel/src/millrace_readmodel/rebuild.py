"""Build a new generation of the read model from the source of truth while searches and projections continue."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from millrace_readmodel import layout
from millrace_readmodel.bulk import BulkLoader, LoadCounts
from millrace_readmodel.cards import Card, build_cards
from millrace_readmodel.generations import Phase, next_generation, read_pointers, remove_stale_generations
from millrace_readmodel.items import PLAN_PREFIX, PROVIDER_PREFIX, Item, build_collection, plan_from_item
from millrace_readmodel.openings_writer import build_entry_from_items
from millrace_readmodel.writer import ReadModelWriter
from millrace_readmodel.zones import day_number, local_time, zone_number

LOCK_MILLISECONDS: Final = 10_000
RENEWAL_SECONDS: Final = 3.0
GRACE_SECONDS: Final = 5.0
DRAINED_PER_BATCH: Final = 200

# Each script acts only if ARGV[1] is the token of the lock.
_IF_HOLDER = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
RENEW: Final = _IF_HOLDER + "return redis.call('PEXPIRE', KEYS[1], ARGV[2])"
RELEASE: Final = _IF_HOLDER + "return redis.call('DEL', KEYS[1])"
SET_BUILDING: Final = _IF_HOLDER + "redis.call('SET', KEYS[2], ARGV[2]) return 1"
RESET: Final = _IF_HOLDER + "redis.call('DEL', KEYS[2]) return 1"
SWITCH: Final = _IF_HOLDER + "redis.call('SET', KEYS[3], ARGV[2]) redis.call('DEL', KEYS[2]) return 1"


class RebuildRunningError(Exception):
    """Another rebuild holds the lock."""


class LockLostError(Exception):
    """The rebuild lock expired or Redis lost its data; the new generation is discarded."""


class ScanSource(Protocol):
    """Reads the whole source of truth."""

    async def scan(self, handle: Callable[[list[list[Item]]], Awaitable[None]], *, segments: int = 1) -> None:
        """Call `handle` with all items, grouped by partition key; read `segments` parts of the table concurrently."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a rebuild: the current step as text for operators, and the cards and items processed so far."""

    step: str
    cards: int = 0
    items: int = 0


@dataclass(frozen=True, slots=True)
class RebuildResult:
    """Result of a rebuild.

    `seconds` passed until the new generation was served; `caught_up` counts the aggregates that changed meanwhile.
    """

    generation: int
    loaded: LoadCounts
    items: int
    caught_up: int
    seconds: float


async def no_wait() -> None:
    """Return immediately: the default for `wait_for_truth`."""


class Rebuild:
    """Runs one rebuild. Calls `report` with its progress; awaits `wait_for_truth` before it reads items."""

    def __init__(
        self,
        redis: Redis,
        truth: ScanSource,
        writer: ReadModelWriter,
        *,
        report: Callable[[Progress], None] = lambda _: None,
        wait_for_truth: Callable[[], Awaitable[None]] = no_wait,
        segments: int = 1,
        grace: float = GRACE_SECONDS,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._now = now
        self._redis = redis
        self._truth = truth
        self._writer = writer
        self._report = report
        self._wait_for_truth = wait_for_truth
        self._segments = segments
        self._grace = grace
        self._token = secrets.token_hex(16)
        self._sleep = sleep
        self._items = 0

    async def run(self) -> RebuildResult:
        """Build and serve a new generation, then delete the old one.

        Raises `RebuildRunningError`, `LockLostError`, `RedisError`, or an error of the source of truth. Searches are
        then unaffected, and the next rebuild removes the incomplete generation.
        """
        async with hold_rebuild_lock(self._redis, self._token, self._sleep):
            before = await read_pointers(self._redis)
            rebuilt = await self._build(next_generation(before))
            if before.served is not None:
                self._report(Progress("removing the previous generation", rebuilt.loaded.cards, rebuilt.items))
                await self._sleep(self._grace)
            await remove_stale_generations(self._redis)
            # A projector that noticed the switch late may have added to the dirty set again.
            await self._redis.unlink(layout.dirty_key(rebuilt.generation))
            return rebuilt

    async def _build(self, generation: int) -> RebuildResult:
        started = time.monotonic()
        await self._run_as_holder(RESET)
        await remove_stale_generations(self._redis)
        await self._run_as_holder(SET_BUILDING, f"{generation} {Phase.LOADING.value}")
        await self._wait_for_truth()
        # The source of truth, read only from here on, already contains the changes in the dirty set.
        await self._redis.unlink(layout.dirty_key(generation))
        loaded = await self._load(generation)
        await self._run_as_holder(SET_BUILDING, f"{generation} {Phase.CATCHING_UP.value}")
        caught_up = await self._drain(generation)
        await self._run_as_holder(SWITCH, str(generation))
        return RebuildResult(generation, loaded, self._items, caught_up, time.monotonic() - started)

    async def _load(self, generation: int) -> LoadCounts:
        loader = BulkLoader(self._redis, generation)

        async def handle(partitions: list[list[Item]]) -> None:
            self._items += sum(map(len, partitions))
            cards, openings = _build_cards(partitions, self._now())
            await loader.add(cards, openings)
            plans = [plan_from_item(items[0]) for items in partitions if items[0].pk.startswith(PLAN_PREFIX)]
            await loader.add_plans(plans)
            self._report(Progress("loading", loader.count, self._items))

        await self._truth.scan(handle, segments=self._segments)
        self._report(Progress("writing partitions and names", loader.count, self._items))
        return await loader.close()

    async def _drain(self, generation: int) -> int:
        """Write what changed while the generation was loaded; projectors write later changes themselves."""
        key = layout.dirty_key(generation)
        count = 0
        while changed := cast(list[bytes], await self._redis.srandmember(key, DRAINED_PER_BATCH)):
            await self._writer.write(generation, [each.decode() for each in changed])
            await self._redis.srem(key, *changed)
            count += len(changed)
        return count

    async def _run_as_holder(self, script: str, *arguments: str) -> None:
        keys = layout.REBUILD_LOCK_KEY, layout.BUILDING_KEY, layout.GENERATION_KEY
        if not await self._redis.eval(script, len(keys), *keys, self._token, *arguments):
            raise LockLostError("the rebuild lock was lost; check for another running rebuild and start again")


async def remove_unfinished_rebuild(redis: Redis) -> int:
    """Delete the keys of an unfinished rebuild; return their number. Raises `RebuildRunningError` during a rebuild."""
    async with hold_rebuild_lock(redis, secrets.token_hex(16)):
        await redis.delete(layout.BUILDING_KEY)
        return await remove_stale_generations(redis)


async def is_rebuild_running(redis: Redis) -> bool:
    """Return whether a rebuild holds the rebuild lock."""
    return bool(await redis.exists(layout.REBUILD_LOCK_KEY))


@asynccontextmanager
async def hold_rebuild_lock(
    redis: Redis, token: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncIterator[None]:
    """Hold the lock that allows one rebuild at a time, and renew it.

    Raises `RebuildRunningError` on entry, and `LockLostError` in the block if the lock expires.
    """
    if not await redis.set(layout.REBUILD_LOCK_KEY, token, nx=True, px=LOCK_MILLISECONDS):
        raise RebuildRunningError("another rebuild is running; wait until it has finished")
    try:
        async with asyncio.TaskGroup() as group:
            renewal = group.create_task(_renew(redis, token, sleep))
            yield
            renewal.cancel()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        with contextlib.suppress(RedisError):  # it expires by itself
            await redis.eval(RELEASE, 1, layout.REBUILD_LOCK_KEY, token)


async def _renew(redis: Redis, token: str, sleep: Callable[[float], Awaitable[None]]) -> None:
    # Before Python 3.12 asyncio.wait_for in redis-py can swallow a cancellation.
    me = asyncio.current_task()
    while me is None or not me.cancelling():
        await sleep(RENEWAL_SECONDS)
        if not await redis.eval(RENEW, 1, layout.REBUILD_LOCK_KEY, token, str(LOCK_MILLISECONDS)):
            raise LockLostError("the rebuild lock expired; start the rebuild again")


def _build_cards(partitions: list[list[Item]], now: float) -> tuple[list[Card], dict[str, bytes]]:
    """Return the cards for items (one list per partition key), and openings entries by provider-location id."""
    cards: list[Card] = []
    openings: dict[str, bytes] = {}
    for items in partitions:
        pk = items[0].pk
        if not pk.startswith(PROVIDER_PREFIX):
            continue
        collection = build_collection(pk.removeprefix(PROVIDER_PREFIX), items)
        for card in build_cards(collection):
            cards.append(card)
            if weeks := collection.weeks.get(card.id):
                zone = zone_number(card.time_zone)
                openings[card.id] = build_entry_from_items(
                    layout.row_id(card.id), zone, day_number(local_time(now, zone)), weeks
                )
    return cards, openings
