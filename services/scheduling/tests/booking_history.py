"""Histories of concurrent bookings, and a checker that finds double bookings and lost updates in them.

Each booking belongs to one client: its operations are sequential, those of different bookings overlap. The outcome of
an operation is the one that the client observed: `OK`, `FAIL` (certainly without effect), or `UNKNOWN`, if the
connection was lost or the server failed, with or without effect.

`violations` follows each booking through all states that its outcomes allow, and reports:

- a slot owned by two bookings at one moment: both acknowledged, and neither had begun to release it;
- a slot owned by two bookings at the end;
- a booking that isn't where its acknowledged operations left it, has two slots, or was never requested;
- an outcome that no state allows, e.g. two acknowledged cancellations in a row.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations


class Outcome(StrEnum):
    OK = "ok"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A provider's time from minute `begin` until before `end`."""

    provider: str
    begin: int
    end: int

    def overlaps(self, other: "Slot") -> bool:
        return self.provider == other.provider and self.begin < other.end and other.begin < self.end


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation on a booking. `to` is the slot that a hold, a booking or a move reserves; None releases the slot.

    `started` and `ended` are seconds of one clock; for an unknown outcome `ended` is when the client gave up.
    """

    booking: str
    to: Slot | None
    outcome: Outcome
    started: float
    ended: float


@dataclass(frozen=True, slots=True)
class Ownership:
    """A slot that a booking certainly had: from `since` (acknowledged) until `until` (when its release began)."""

    booking: str
    slot: Slot
    since: float
    until: float


END = float("inf")


def violations(operations: Iterable[Operation], final: Mapping[str, Sequence[Slot]]) -> list[str]:
    """Return one line for each violation. `final` are the slots of each booking at the end."""
    histories: dict[str, list[Operation]] = {}
    for operation in sorted(operations, key=lambda each: each.started):
        histories.setdefault(operation.booking, []).append(operation)
    found = [f"{booking}: exists, though it was never requested" for booking in final.keys() - histories.keys()]
    owned: list[Ownership] = []
    for booking, history in histories.items():
        possible, certain, impossible = _follow(history)
        found += impossible
        found += _misplacements(booking, possible, final.get(booking, ()))
        owned += certain
    return found + _concurrent_ownerships(owned) + _final_overlaps(final)


def _follow(history: Sequence[Operation]) -> tuple[set[Slot | None], list[Ownership], list[str]]:
    """Return the possible final states of a booking, the slots it certainly owned, and impossible outcomes."""
    possible: set[Slot | None] = {None}
    certain: list[Ownership] = []
    impossible: list[str] = []
    since = END
    for operation in history:
        before = possible
        if operation.outcome is Outcome.FAIL:
            continue
        if operation.to is None and operation.outcome is Outcome.OK and before == {None}:
            impossible.append(f"{operation.booking}: released at {operation.ended:.3f} without a slot")
        _end_ownership(certain, operation, before, since)
        possible = {operation.to} if operation.outcome is Outcome.OK else before | {operation.to}
        if possible != before:
            since = operation.ended if len(possible) == 1 else END
    if len(possible) == 1:
        certain += _ownership(history[-1].booking, possible, since, END)
    return possible, certain, impossible


def _end_ownership(certain: list[Ownership], operation: Operation, before: set[Slot | None], since: float) -> None:
    """If the operation may move or end the booking, end its certain ownership when the operation began."""
    if before != {operation.to}:
        certain += _ownership(operation.booking, before, since, operation.started)


def _ownership(booking: str, possible: set[Slot | None], since: float, until: float) -> list[Ownership]:
    if len(possible) != 1 or since >= until:
        return []
    return [Ownership(booking, slot, since, until) for slot in possible if slot is not None]


def _misplacements(booking: str, possible: set[Slot | None], final: Sequence[Slot]) -> list[str]:
    if len(final) > 1:
        return [f"{booking}: has {len(final)} slots"]
    at = final[0] if final else None
    if at in possible:
        return []
    return [f"{booking}: has {at}, expected one of {sorted(possible, key=str)}"]


def _concurrent_ownerships(owned: Iterable[Ownership]) -> list[str]:
    """Return pairs of bookings that certainly owned overlapping slots at the same time."""
    by_provider: dict[str, list[Ownership]] = {}
    for each in owned:
        by_provider.setdefault(each.slot.provider, []).append(each)
    return [
        f"{one.slot}: owned by {one.booking} and {other.booking} at {max(one.since, other.since):.3f}"
        for group in by_provider.values()
        for one, other in combinations(group, 2)
        if one.booking != other.booking
        and one.slot.overlaps(other.slot)
        and max(one.since, other.since) < min(one.until, other.until)
    ]


def _final_overlaps(final: Mapping[str, Sequence[Slot]]) -> list[str]:
    placed = [(booking, slot) for booking, slots in final.items() for slot in slots]
    return [
        f"{slot}: owned by {booking} and {other} at the end"
        for (booking, slot), (other, taken) in combinations(placed, 2)
        if booking != other and slot.overlaps(taken)
    ]
