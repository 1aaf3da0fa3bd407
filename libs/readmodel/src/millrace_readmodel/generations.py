"""Which generation is served, which one is being made, and writing through it all.

A rebuild leads `rm:building` through two phases. While *loading*, nobody but the rebuild writes to the new generation;
projectors write to the served one and note what changed in the new one's dirty set. While *catching up*, projectors
write to both, and the rebuild works off the dirty set, which grows no more. So at the switch nothing is left to do.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, cast

from redis.asyncio import Redis

from millrace_readmodel import layout
from millrace_readmodel.errors import ContentionError
from millrace_readmodel.items import PROVIDER_PREFIX
from millrace_readmodel.openings import WeekItem
from millrace_readmodel.writer import ReadModelWriter

POINTER_CHANGES: Final = 16
ABSENT_SECONDS: Final = 20.0
ABSENT_POLL: Final = 0.05
FIRST_NUMBERS: Final = range(1, 1_000)
_SCANNED: Final = 1_000
_GENERATION: Final = re.compile(rb"(\d+):(?:c:|p:|o:|n:|words$|plan|dirty$)")


class Phase(Enum):
    """How far a rebuild is."""

    LOADING = "loading"
    CATCHING_UP = "catching-up"


@dataclass(frozen=True, slots=True)
class Pointers:
    """Numbers of the generation that is served and of the one that is being made."""

    served: int | None
    building: int | None
    phase: Phase | None

    @property
    def absent(self) -> bool:
        """The read model is empty: the server is new, or lost its memory."""
        return self.served is None and self.building is None


class AbsentError(Exception):
    """There is no generation to write to, and none appeared in time."""


async def pointers(redis: Redis) -> Pointers:
    """Where to read from and where to write to now."""
    found = await redis.mget(layout.GENERATION_KEY, layout.BUILDING_KEY)
    served, building = cast(list[bytes | None], found)
    if building is None:
        return Pointers(int(served) if served else None, None, None)
    number, _, phase = building.decode().partition(" ")
    return Pointers(int(served) if served else None, int(number), Phase(phase))


def next_number(now: Pointers, choose: Callable[[range], int] = random.choice) -> int:
    """The number for a new generation.

    The first one after a loss of memory is drawn, so that a writer who is still at work on a lost generation doesn't
    write into the new one.
    """
    if now.absent:
        return choose(FIRST_NUMBERS)
    return max(now.served or 0, now.building or 0) + 1


class ReadModel:
    """What a projector writes through: finds the generations to write to and repeats when they changed meanwhile."""

    def __init__(
        self,
        redis: Redis,
        writer: ReadModelWriter,
        *,
        absent: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        absent_seconds: float = ABSENT_SECONDS,
    ) -> None:
        """`absent` is called when there is no generation at all; it should see to a rebuild and return at once."""
        self._redis = redis
        self._writer = writer
        self._absent = absent
        self._sleep = sleep
        self._absent_seconds = absent_seconds

    async def apply(self, aggregates: Collection[str], weeks: Sequence[WeekItem] = ()) -> None:
        """Make the read model say what the truth says of these aggregates (partition keys of the truth), and of these
        weeks of openings.

        The caller wrote the truth before. Raises `AbsentError` while there is no generation, `ContentionError`,
        redis-py's `RedisError`, and what the truth raises; repeating is harmless.
        """
        now = await self._present()
        for _ in range(POINTER_CHANGES):
            await self._write(now, aggregates, weeks)
            before, now = now, await self._present()
            if now == before:
                return
        raise ContentionError("the generation changed each time")

    async def _write(self, now: Pointers, aggregates: Collection[str], weeks: Sequence[WeekItem]) -> None:
        if now.served is not None:
            await self._writer.write(now.served, aggregates, weeks)
        if now.building is None:
            return
        if now.phase is Phase.LOADING:
            changed = {*aggregates, *(PROVIDER_PREFIX + week.npi for week in weeks)}
            if changed:
                await self._redis.sadd(layout.dirty_key(now.building), *changed)
        else:
            await self._writer.write(now.building, aggregates, weeks)

    async def _present(self) -> Pointers:
        waited = 0.0
        while (now := await pointers(self._redis)).absent:
            if waited >= self._absent_seconds:
                raise AbsentError(f"no generation of the read model appeared within {self._absent_seconds:g} s")
            self._absent()
            await self._sleep(ABSENT_POLL)
            waited += ABSENT_POLL
        return now


async def tidy(redis: Redis) -> int:
    """Delete, in small steps, the keys of all generations but the served one and the one being made.

    Returns how many there were. Only whoever holds the rebuild lock may call this.
    """
    removed = 0
    cursor = 0
    while True:
        now = await pointers(redis)
        cursor, keys = await redis.scan(cursor, count=_SCANNED)
        stale = [key for key in cast(list[bytes], keys) if _number(key) not in (None, now.served, now.building)]
        if stale:
            removed += await redis.unlink(*stale)
        if cursor == 0:
            return removed


def _number(key: bytes) -> int | None:
    match = _GENERATION.match(key)
    return int(match[1]) if match else None
