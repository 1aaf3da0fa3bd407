"""What many clients did to bookings at once, and whether it can have happened without a slot being taken twice.

Each booking is one client's: its operations follow one another, those of different bookings overlap. An operation's
outcome is what the client saw: `OK`, `FAIL` (surely without effect), or `UNKNOWN`, where the connection was lost or the
server failed and the effect may have taken place or not.

`violations` follows each booking through all states that its outcomes allow. Found are:

- a slot owned by two at one moment: both acknowledged, and neither had begun to give it up;
- a slot owned by two at the end;
- a booking that isn't where its acknowledged operations left it, or is in two places, or was made by nobody;
- an outcome that no state allows, e.g. an acknowledged cancellation after an acknowledged one.
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
    """One operation on a booking. `to` is the slot that it takes, None where it gives the slot up.

    Taking a slot is what a hold, a booking and a move do; a booking takes the slot of its hold again.
    `started` and `ended` are of one clock; `ended` of an unknown outcome is when the client gave up.
    """

    booking: str
    to: Slot | None
    outcome: Outcome
    started: float
    ended: float


@dataclass(frozen=True, slots=True)
class Owned:
    """A slot that surely was a booking's from `since` (acknowledged) until `until` (when giving it up began)."""

    booking: str
    slot: Slot
    since: float
    until: float


END = float("inf")


def violations(operations: Iterable[Operation], final: Mapping[str, Sequence[Slot]]) -> list[str]:
    """What can't be, one line each; empty where all is well. `final` are the slots of each booking at the end."""
    histories: dict[str, list[Operation]] = {}
    for operation in sorted(operations, key=lambda each: each.started):
        histories.setdefault(operation.booking, []).append(operation)
    found = [f"{booking}: is there, though nobody asked for it" for booking in final.keys() - histories.keys()]
    owned: list[Owned] = []
    for booking, history in histories.items():
        possible, certain, impossible = _followed(history)
        found += impossible
        found += _misplaced(booking, possible, final.get(booking, ()))
        owned += certain
    return found + _at_once(owned) + _at_the_end(final)


def _followed(history: Sequence[Operation]) -> tuple[set[Slot | None], list[Owned], list[str]]:
    """All states that a booking may be in at last, what it surely owned, and outcomes that can't be."""
    possible: set[Slot | None] = {None}
    certain: list[Owned] = []
    impossible: list[str] = []
    since = END
    for operation in history:
        before = possible
        if operation.outcome is Outcome.FAIL:
            continue
        if operation.to is None and operation.outcome is Outcome.OK and before == {None}:
            impossible.append(f"{operation.booking}: given up at {operation.ended:.3f} where there was nothing")
        _note(certain, operation, before, since)
        possible = {operation.to} if operation.outcome is Outcome.OK else before | {operation.to}
        if possible != before:
            since = operation.ended if len(possible) == 1 else END
    if len(possible) == 1:
        certain += _surely(history[-1].booking, possible, since, END)
    return possible, certain, impossible


def _note(certain: list[Owned], operation: Operation, before: set[Slot | None], since: float) -> None:
    """Where the operation may move or end the booking, what was surely owned ended as it began."""
    if before != {operation.to}:
        certain += _surely(operation.booking, before, since, operation.started)


def _surely(booking: str, possible: set[Slot | None], since: float, until: float) -> list[Owned]:
    if len(possible) != 1 or since >= until:
        return []
    return [Owned(booking, slot, since, until) for slot in possible if slot is not None]


def _misplaced(booking: str, possible: set[Slot | None], final: Sequence[Slot]) -> list[str]:
    if len(final) > 1:
        return [f"{booking}: is in {len(final)} places"]
    at = final[0] if final else None
    if at in possible:
        return []
    return [f"{booking}: is at {at}, may be at {sorted(possible, key=str)}"]


def _at_once(owned: Iterable[Owned]) -> list[str]:
    """Pairs of different bookings whose sure possession of overlapping slots overlaps in time."""
    by_provider: dict[str, list[Owned]] = {}
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


def _at_the_end(final: Mapping[str, Sequence[Slot]]) -> list[str]:
    placed = [(booking, slot) for booking, slots in final.items() for slot in slots]
    return [
        f"{slot}: owned by {booking} and {other} at the end"
        for (booking, slot), (other, taken) in combinations(placed, 2)
        if booking != other and slot.overlaps(taken)
    ]
