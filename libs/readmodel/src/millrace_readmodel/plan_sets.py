"""Plan sets by number: interned in the read model, remembered here."""

from collections.abc import Collection
from typing import Final

from redis.asyncio import Redis

from millrace_readmodel import layout, scripts
from millrace_readmodel.scripts import Call

REMEMBERED: Final = 50_000


class PlanSets:
    """Numbers of plan sets in the generations that are being written."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._known: dict[tuple[int, tuple[str, ...]], int] = {}

    async def numbers(self, generation: int, plan_sets: Collection[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
        """The number of each set, new ones being added. The empty set is 0."""
        numbers: dict[tuple[str, ...], int] = {(): 0}
        unknown = []
        for plans in plan_sets:
            if plans and (number := self._known.get((generation, plans))) is not None:
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
        if len(self._known) + len(found) > REMEMBERED:
            self._known.clear()
        self._known.update(((generation, plans), number) for plans, number in found.items())
        return found
