"""Number the distinct sets of accepted plans in the read model and cache these numbers."""

from collections.abc import Collection
from typing import Final

from cachetools import LRUCache
from redis.asyncio import Redis

from millrace_readmodel import layout, scripts
from millrace_readmodel.scripts import Call

CACHED_PLAN_SETS: Final = 50_000


class PlanSets:
    """Numbers each distinct set of accepted plans in a generation, and caches these numbers."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._numbers: LRUCache[tuple[int, tuple[str, ...]], int] = LRUCache(CACHED_PLAN_SETS)

    async def numbers(self, generation: int, plan_sets: Collection[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
        """Return the number of each set of plan ids in the generation; add sets that it lacks. The empty set is 0."""
        numbers: dict[tuple[str, ...], int] = {(): 0}
        unknown = []
        for plans in plan_sets:
            if plans and (number := self._numbers.get((generation, plans))) is not None:
                numbers[plans] = number
            elif plans:
                unknown.append(plans)
        if unknown:
            numbers |= await self._intern(generation, unknown)
        return numbers

    async def _intern(self, generation: int, plan_sets: list[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
        keys = layout.plan_set_index_key(generation), layout.plan_sets_key(generation)
        calls = [Call(scripts.INTERN, keys, (layout.plan_set_digest(plans), " ".join(plans))) for plans in plan_sets]
        found = dict(zip(plan_sets, await scripts.run(self._redis, calls), strict=True))
        self._numbers.update(((generation, plans), number) for plans, number in found.items())
        return found
