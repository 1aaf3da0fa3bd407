"""Insurance plans, and which sets of them providers accept."""

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from millrace_contracts.entities import InsurancePlan
from millrace_reference.text import words

LOOKUPS: Final = 256
_VERSION_BYTES: Final = 8
_decoder = msgspec.json.Decoder(InsurancePlan)


class PlanSets:
    """Plan id → the plan sets that hold it. Sets are only ever added, so what is known of a number stays true."""

    def __init__(self) -> None:
        self._holders: dict[str, array[int]] = {}
        self._size = 0
        self._lookups: OrderedDict[str, npt.NDArray[np.bool_]] = OrderedDict()

    def __len__(self) -> int:
        return self._size

    def __contains__(self, plan_id: str) -> bool:
        return plan_id in self._holders

    def extend(self, sets: Iterable[bytes]) -> None:
        """Add the sets that follow the known ones, as they lie in the read model."""
        for plans in sets:
            for plan_id in plans.decode().split():
                self._holders.setdefault(plan_id, array("I")).append(self._size)
            self._size += 1
        self._lookups.clear()

    def accepting(self, plan_id: str) -> npt.NDArray[np.bool_]:
        """Shape (sets,): whether the set with that number holds the plan."""
        lookup = self._lookups.get(plan_id)
        if lookup is None:
            lookup = np.zeros(max(self._size, 1), dtype=np.bool_)
            lookup[np.frombuffer(self._holders.get(plan_id, array("I")), dtype=np.uintc)] = True
            self._lookups[plan_id] = lookup
            if len(self._lookups) > LOOKUPS:
                self._lookups.popitem(last=False)
        else:
            self._lookups.move_to_end(plan_id)
        return lookup


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as answers show it; `words` are its name's and issuer's, folded."""

    id: str
    name: str
    issuer: str | None
    words: tuple[str, ...]


class Plans:
    """All plans, by id."""

    def __init__(self, stored: Iterable[tuple[bytes, bytes]]) -> None:
        """From (id, value) as they lie in the read model. Raises `msgspec.DecodeError`."""
        self._by_id = {key.decode(): _plan(value) for key, value in stored}
        self._ids = sorted(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def all(self) -> Iterable[Plan]:
        return self._by_id.values()

    def get(self, plan_id: str) -> Plan | None:
        return self._by_id.get(plan_id)

    def neighbours(self, plan_id: str, n: int) -> list[str]:
        """Ids around the place where this one would stand, at most `2 * n`."""
        at = bisect_left(self._ids, plan_id)
        return self._ids[max(0, at - n) : at + n]


def _plan(value: bytes) -> Plan:
    plan = _decoder.decode(memoryview(value)[_VERSION_BYTES:])
    return Plan(plan.id, plan.name, plan.issuer, words(f"{plan.name} {plan.issuer or ''}"))
