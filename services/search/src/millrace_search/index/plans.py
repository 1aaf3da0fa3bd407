"""Insurance plans and the sets of plans that providers accept."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from millrace_contracts.entities import InsurancePlan
from millrace_readmodel.plan_years import split_member
from millrace_reference.text import split_words

LOOKUPS: Final = 256
_VERSION_BYTES: Final = 8
_decoder = msgspec.json.Decoder(InsurancePlan)


class PlanSets:
    """Maps plans to the plan sets that contain them. Sets are only added; a number never changes its meaning."""

    def __init__(self) -> None:
        self._sets_by_plan: dict[str, dict[int | None, array[int]]] = {}
        self._size = 0
        self._lookups: LRUCache[tuple[str, int], npt.NDArray[np.bool_]] = LRUCache(LOOKUPS)

    def __len__(self) -> int:
        return self._size

    def __contains__(self, plan_id: str) -> bool:
        return plan_id in self._sets_by_plan

    def extend(self, sets: Iterable[bytes]) -> None:
        """Append plan sets, each given as its members (`plan_years.plan_set`) joined by spaces."""
        for members in sets:
            for member in members.decode().split():
                plan_id, year = split_member(member)
                self._sets_by_plan.setdefault(plan_id, {}).setdefault(year, array("I")).append(self._size)
            self._size += 1
        self._lookups.clear()

    def accepting(self, plan_id: str, year: int) -> npt.NDArray[np.bool_]:
        """Return an array that states for each plan set number whether the set contains the plan in this year."""
        lookup = self._lookups.get((plan_id, year))
        if lookup is None:
            lookup = np.zeros(max(self._size, 1), dtype=np.bool_)
            by_year = self._sets_by_plan.get(plan_id, {})
            for numbers in (by_year.get(None), by_year.get(year)):
                if numbers is not None:
                    lookup[np.frombuffer(numbers, dtype=np.uintc)] = True
            self._lookups[plan_id, year] = lookup
        return lookup


@dataclass(frozen=True, slots=True)
class Plan:
    """An insurance plan; `words` are the words of name and issuer without case and accents."""

    id: str
    name: str
    issuer: str | None
    words: tuple[str, ...]


class Plans:
    """All insurance plans of a generation, by id."""

    def __init__(self, stored: Iterable[tuple[bytes, bytes]]) -> None:
        """Decode (id, value) pairs of the read model; raise `msgspec.DecodeError`."""
        self._by_id = {key.decode(): _plan(value) for key, value in stored}
        self._ids = sorted(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def all(self) -> Iterable[Plan]:
        return self._by_id.values()

    def get(self, plan_id: str) -> Plan | None:
        return self._by_id.get(plan_id)

    def neighbors(self, plan_id: str, n: int) -> list[str]:
        """Return up to `n` ids that sort before this one and up to `n` from it on."""
        at = bisect_left(self._ids, plan_id)
        return self._ids[max(0, at - n) : at + n]


def _plan(value: bytes) -> Plan:
    plan = _decoder.decode(memoryview(value)[_VERSION_BYTES:])
    return Plan(plan.id, plan.name, plan.issuer, split_words(f"{plan.name} {plan.issuer or ''}"))
