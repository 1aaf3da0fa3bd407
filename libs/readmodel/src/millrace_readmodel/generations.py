"""Track the served generation and the one being built, and write to both during a rebuild.

A rebuild moves `rm:building` through two phases. While *loading*, only the rebuild writes to the new generation;
projectors write to the served one and add changed aggregates to the dirty set of the new one. While *catching up*,
projectors write to both, and the rebuild processes the dirty set, which no longer grows. At the switch the new
generation is complete.
"""

import asyncio
import random
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, cast

from redis.asyncio import Redis

from millrace_readmodel import layout
from millrace_readmodel.items import PROVIDER_PREFIX
from millrace_readmodel.openings import WeekItem
from millrace_readmodel.scripts import ContentionError
from millrace_readmodel.writer import ReadModelWriter

POINTER_CHANGES: Final = 16
GENERATION_TIMEOUT: Final = 20.0
GENERATION_POLL: Final = 0.05
INITIAL_NUMBERS: Final = range(1, 1_000)
_SCAN_COUNT: Final = 1_000
_GENERATION: Final = re.compile(rb"(\d+):(?:c:|p:|o:|n:|words$|plan|dirty$)")


class Phase(Enum):
    """Phase of a rebuild, which determines what projectors write (see the module's description)."""

    LOADING = "loading"
    CATCHING_UP = "catching-up"


@dataclass(frozen=True, slots=True)
class Pointers:
    """Numbers of the served generation (copy of the read model) and of the one being built; None without one."""

    served: int | None
    building: int | None
    phase: Phase | None

    @property
    def is_empty(self) -> bool:
        """Whether there is no generation: the server is new or has lost its data."""
        return self.served is None and self.building is None


class GenerationTimeoutError(Exception):
    """No generation existed to write to, and none appeared within the time limit."""


async def read_pointers(redis: Redis) -> Pointers:
    """Read the numbers of the served generation and of the one being built, with its phase."""
    found = await redis.mget(layout.GENERATION_KEY, layout.BUILDING_KEY)
    served, building = cast(list[bytes | None], found)
    if building is None:
        return Pointers(int(served) if served else None, None, None)
    number, _, phase = building.decode().partition(" ")
    return Pointers(int(served) if served else None, int(number), Phase(phase))


def next_generation(now: Pointers, choose: Callable[[range], int] = random.choice) -> int:
    """Return the number for a new generation: one more than the highest in use.

    Random in an empty read model, so that a writer to a lost generation doesn't write to the new one.
    """
    if now.is_empty:
        return choose(INITIAL_NUMBERS)
    return max(now.served or 0, now.building or 0) + 1


class ReadModel:
    """Writes to the served generation and the one being built; repeats a write during which these were replaced."""

    def __init__(
        self,
        redis: Redis,
        writer: ReadModelWriter,
        *,
        request_rebuild: Callable[[], None],
        timeout: float = GENERATION_TIMEOUT,
    ) -> None:
        """`request_rebuild` is called while there is no generation; it must return immediately."""
        self._redis = redis
        self._writer = writer
        self._request_rebuild = request_rebuild
        self._timeout = timeout

    async def apply(self, aggregates: Collection[str], weeks: Sequence[WeekItem] = ()) -> None:
        """Write the current state of these aggregates (partition keys of the source of truth) and these weeks.

        The source of truth must already be written. Raises `GenerationTimeoutError` without a generation,
        `ContentionError`, redis-py's `RedisError`, and the errors of the source of truth; safe to repeat.
        """
        now = await self._wait_for_generation()
        for _ in range(POINTER_CHANGES):
            await self._write(now, aggregates, weeks)
            before, now = now, await self._wait_for_generation()
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

    async def _wait_for_generation(self) -> Pointers:
        waited = 0.0
        while (now := await read_pointers(self._redis)).is_empty:
            if waited >= self._timeout:
                raise GenerationTimeoutError(
                    f"no generation of the read model appeared within {self._timeout:g} s; run a rebuild"
                )
            self._request_rebuild()
            await asyncio.sleep(GENERATION_POLL)
            waited += GENERATION_POLL
        return now


async def remove_stale_generations(redis: Redis) -> int:
    """Delete the keys of all generations except the served one and the one being built; return their number.

    Call this only with the rebuild lock held.
    """
    removed = 0
    cursor = 0
    while True:
        now = await read_pointers(redis)
        cursor, keys = await redis.scan(cursor, count=_SCAN_COUNT)
        stale = [key for key in cast(list[bytes], keys) if _number(key) not in (None, now.served, now.building)]
        if stale:
            removed += await redis.unlink(*stale)
        if cursor == 0:
            return removed


def _number(key: bytes) -> int | None:
    match = _GENERATION.match(key)
    return int(match[1]) if match else None
