"""Order the versions of a key (an entity's subject) by pure, synchronous rules.

Versions of a key are emitted in rising order. A version that was emitted before, or is older than the last emitted one,
is dropped. A version after a gap is held until the missing versions arrive, at most `Limits.wait`; then the gap is
skipped. The caller stores the `KeyState` between calls and carries out the outcomes in the given order.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from millrace_contracts.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the versions held for one key: seconds, number, bytes. Beyond any of them its gap is skipped."""

    wait: float = 5.0
    versions: int = 32
    size: int = 200_000
    """Bytes; an item of DynamoDB, which includes the key's state, has at most 400 KB."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A cleaned change. `digest` is that of the content before it was cleaned; holding it takes `size` bytes."""

    envelope: Envelope
    digest: str
    size: int

    @property
    def version(self) -> int:
        return self.envelope.entityversion


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """An arrival that waits for a missing version until `due` (Unix seconds); it was read from `shard`."""

    arrival: Arrival
    due: float
    shard: str


@dataclass(frozen=True, slots=True)
class KeyState:
    """The stored state of a key: which versions were emitted, and which are held.

    `emitted` is the highest emitted version, 0 for none; `digest` and `emitted_at` (Unix seconds) belong to it. Every
    version up to `settled` was emitted, skipped or dead-lettered, so the next one leaves no gap; a dead-lettered
    version may still be emitted when it is redriven. `held` is sorted by version; all are above `settled`.
    """

    emitted: int = 0
    settled: int = 0
    digest: str = ""
    emitted_at: float = 0.0
    held: tuple[HeldVersion, ...] = ()

    @property
    def due(self) -> float | None:
        """The time (Unix seconds) by which the next held version must be emitted; None if none is held."""
        return min((held.due for held in self.held), default=None)


@dataclass(frozen=True, slots=True)
class Emit:
    """Emit the change; `skipped` is the number of missing versions skipped before it."""

    envelope: Envelope
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop the change: it (`duplicate`) or a newer one (`stale`) was emitted before."""

    envelope: Envelope
    reason: Literal["duplicate", "stale"]


@dataclass(frozen=True, slots=True)
class Hold:
    """Hold the change until the versions before it arrive, at most `until` (Unix seconds)."""

    envelope: Envelope
    until: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """Reject the change: its version was emitted or is held with other content, so the source broke its contract."""

    envelope: Envelope


Outcome: TypeAlias = Emit | Drop | Hold | Conflict


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcomes to carry out in order, and the state of the key to store after them."""

    state: KeyState
    outcomes: tuple[Outcome, ...] = ()


def order_arrival(state: KeyState, arrival: Arrival, *, now: float, shard: str, limits: Limits) -> Decision:
    """Decide whether to emit, drop, hold or reject a change read from `shard` at `now` (Unix seconds)."""
    envelope, version = arrival.envelope, arrival.version
    if version < state.emitted:
        return Decision(state, (Drop(envelope, "stale"),))
    if envelope.replay:
        return _emit(state, arrival, now)
    if version == state.emitted:
        return Decision(state, (_repeated(envelope, arrival.digest == state.digest),))
    if version <= state.settled + 1:
        return _emit(state, arrival, now)
    for held in state.held:
        if held.arrival.version == version:
            return Decision(state, (_repeated(envelope, arrival.digest == held.arrival.digest),))
    return _hold(state, HeldVersion(arrival, now + limits.wait, shard), now, limits)


def settle_version(state: KeyState, version: int, *, now: float) -> Decision:
    """Mark a version as dead-lettered; if it is the next one, emit the held versions that waited only for it."""
    if version != state.settled + 1:
        return Decision(state)
    return _emit_consecutive(replace(state, settled=version), (), now)


def skip_expired_gaps(state: KeyState, *, now: float) -> Decision:
    """Skip the gaps before every held version that is due at `now` (Unix seconds)."""
    last = max((held.arrival.version for held in state.held if held.due <= now), default=0)
    outcomes: tuple[Outcome, ...] = ()
    while state.held and state.held[0].arrival.version <= last:
        first = state.held[0].arrival
        skipped = first.version - state.settled - 1
        outcomes += (Emit(first.envelope, skipped=skipped),)
        state = _advance(state, first, now)
    return _emit_consecutive(state, outcomes, now)


def _repeated(envelope: Envelope, same: bool) -> Outcome:
    return Drop(envelope, "duplicate") if same else Conflict(envelope)


def _hold(state: KeyState, held: HeldVersion, now: float, limits: Limits) -> Decision:
    waiting = tuple(sorted((*state.held, held), key=lambda each: each.arrival.version))
    full = len(waiting) > limits.versions or sum(each.arrival.size for each in waiting) > limits.size
    later = skip_expired_gaps(replace(state, held=waiting), now=math.inf if full else now)
    if held not in later.state.held:
        return later
    return replace(later, outcomes=(*later.outcomes, Hold(held.arrival.envelope, held.due)))


def _emit(state: KeyState, arrival: Arrival, now: float) -> Decision:
    passed = tuple(held.arrival for held in state.held if held.arrival.version <= arrival.version)
    drops = tuple(Drop(each.envelope, "duplicate" if each.version == arrival.version else "stale") for each in passed)
    return _emit_consecutive(_advance(state, arrival, now), (Emit(arrival.envelope), *drops), now)


def _emit_consecutive(state: KeyState, outcomes: tuple[Outcome, ...], now: float) -> Decision:
    while state.held and state.held[0].arrival.version == state.settled + 1:
        first = state.held[0].arrival
        outcomes += (Emit(first.envelope),)
        state = _advance(state, first, now)
    return Decision(state, outcomes)


def _advance(state: KeyState, arrival: Arrival, now: float) -> KeyState:
    return KeyState(
        emitted=arrival.version,
        settled=max(state.settled, arrival.version),
        digest=arrival.digest,
        emitted_at=now,
        held=tuple(held for held in state.held if held.arrival.version > arrival.version),
    )
