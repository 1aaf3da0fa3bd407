"""Which versions of a key go on, and when: the rules of order, pure and synchronous.

A key's versions go on one after the other. One that was emitted already, or is older than what was emitted, is
dropped. One that leaves a gap is held until the missing versions come, but never longer than `Limits.wait`; then the
gap is skipped. Who calls keeps the `KeyState` between calls and carries out the outcomes in the order they are given.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from millrace_contracts.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Limits:
    """How long (seconds) and how much one key may hold back; beyond any of them its gap is skipped at once."""

    wait: float = 5.0
    versions: int = 32
    size: int = 200_000
    """Bytes; with its state a key must stay below DynamoDB's 400 KB an item."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A cleaned change. `digest` tells contents apart as the source wrote them; holding it costs `size` bytes."""

    envelope: Envelope
    digest: str
    size: int

    @property
    def version(self) -> int:
        return self.envelope.entityversion


@dataclass(frozen=True, slots=True)
class Held:
    """An arrival that waits for a missing version until `due` (Unix seconds). `shard` is where it was read."""

    arrival: Arrival
    due: float
    shard: str


@dataclass(frozen=True, slots=True)
class KeyState:
    """What is remembered of a key.

    `emitted` is the highest version that was emitted, 0 for none; `digest` and `emitted_at` (Unix seconds) are its.
    Every version up to `settled` was emitted, skipped or parked, so the next one leaves no gap: a parked version is
    known, not missing, yet may still be emitted when it is redriven. `held` is ordered by version, all above `settled`.
    """

    emitted: int = 0
    settled: int = 0
    digest: str = ""
    emitted_at: float = 0.0
    held: tuple[Held, ...] = ()

    @property
    def due(self) -> float | None:
        """When the next held version must go on (Unix seconds)."""
        return min((held.due for held in self.held), default=None)


@dataclass(frozen=True, slots=True)
class Emit:
    """Goes on. `skipped` counts the versions that are given up for it."""

    envelope: Envelope
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Drop:
    """Was emitted before (`duplicate`), or something newer was (`stale`)."""

    envelope: Envelope
    reason: Literal["duplicate", "stale"]


@dataclass(frozen=True, slots=True)
class Hold:
    """Waits for the versions before it."""

    envelope: Envelope
    until: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """Has the version of what was emitted or is held, but another content: the source broke its contract."""

    envelope: Envelope


Outcome: TypeAlias = Emit | Drop | Hold | Conflict


@dataclass(frozen=True, slots=True)
class Decision:
    """The state to remember once the outcomes took effect."""

    state: KeyState
    outcomes: tuple[Outcome, ...] = ()


def arrive(state: KeyState, arrival: Arrival, *, now: float, shard: str, limits: Limits) -> Decision:
    """What becomes of a change that was read from `shard` at `now` (Unix seconds)."""
    envelope, version = arrival.envelope, arrival.version
    if version < state.emitted:
        return Decision(state, (Drop(envelope, "stale"),))
    if envelope.replay:
        return _emit(state, arrival, now)
    if version == state.emitted:
        return Decision(state, (_again(envelope, arrival.digest == state.digest),))
    if version <= state.settled + 1:
        return _emit(state, arrival, now)
    for held in state.held:
        if held.arrival.version == version:
            return Decision(state, (_again(envelope, arrival.digest == held.arrival.digest),))
    return _hold(state, Held(arrival, now + limits.wait, shard), now, limits)


def settle(state: KeyState, version: int, *, now: float) -> Decision:
    """A version was parked as unusable: if it is the next one, what waited only for it goes on."""
    if version != state.settled + 1:
        return Decision(state)
    return _flow(replace(state, settled=version), (), now)


def expire(state: KeyState, *, now: float) -> Decision:
    """Skip the gaps before every held version whose wait is over at `now` (Unix seconds)."""
    last = max((held.arrival.version for held in state.held if held.due <= now), default=0)
    outcomes: tuple[Outcome, ...] = ()
    while state.held and state.held[0].arrival.version <= last:
        first = state.held[0].arrival
        skipped = first.version - state.settled - 1
        outcomes += (Emit(first.envelope, skipped=skipped),)
        state = _remember(state, first, now)
    return _flow(state, outcomes, now)


def _again(envelope: Envelope, same: bool) -> Outcome:
    return Drop(envelope, "duplicate") if same else Conflict(envelope)


def _hold(state: KeyState, held: Held, now: float, limits: Limits) -> Decision:
    waiting = tuple(sorted((*state.held, held), key=lambda each: each.arrival.version))
    full = len(waiting) > limits.versions or sum(each.arrival.size for each in waiting) > limits.size
    later = expire(replace(state, held=waiting), now=math.inf if full else now)
    if held not in later.state.held:
        return later
    return replace(later, outcomes=(*later.outcomes, Hold(held.arrival.envelope, held.due)))


def _emit(state: KeyState, arrival: Arrival, now: float) -> Decision:
    passed = tuple(held.arrival for held in state.held if held.arrival.version <= arrival.version)
    drops = tuple(Drop(each.envelope, "duplicate" if each.version == arrival.version else "stale") for each in passed)
    return _flow(_remember(state, arrival, now), (Emit(arrival.envelope), *drops), now)


def _flow(state: KeyState, outcomes: tuple[Outcome, ...], now: float) -> Decision:
    while state.held and state.held[0].arrival.version == state.settled + 1:
        first = state.held[0].arrival
        outcomes += (Emit(first.envelope),)
        state = _remember(state, first, now)
    return Decision(state, outcomes)


def _remember(state: KeyState, arrival: Arrival, now: float) -> KeyState:
    return KeyState(
        emitted=arrival.version,
        settled=max(state.settled, arrival.version),
        digest=arrival.digest,
        emitted_at=now,
        held=tuple(held for held in state.held if held.arrival.version > arrival.version),
    )
