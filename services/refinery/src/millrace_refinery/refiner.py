"""The refinery's work: changes in, clean entities out, in order per key.

The effects of a batch come in this order: emit, and wait for the acknowledgement; remember the keys' states; return, so
that the consumer may checkpoint. A crash in between repeats emissions of the same event id and version, which every
reader of `entities` drops; it never loses one.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from millrace_contracts.envelope import Envelope
from millrace_feeds.clock import Clock
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.transport import Record
from millrace_refinery.cleaning import Change, Refused, clean
from millrace_refinery.figures import Figures
from millrace_refinery.guard import KeyGuard
from millrace_refinery.ordering import Conflict, Emit, KeyState, Limits, Outcome, arrive, expire, settle
from millrace_refinery.states import StateStore

logger = logging.getLogger(__name__)

ORPHANED_AFTER = 60.0
"""Seconds past its time after which a held version goes on whoever reads its shard, or reads it no more."""
_SWEEP = 100


@dataclass(slots=True)
class _Batch:
    """Key states as a batch changes them, and what became of its records."""

    before: Mapping[str, KeyState]
    limits: Limits
    states: dict[str, KeyState] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    conflict: Record | None = None

    def state(self, subject: str) -> KeyState:
        return self.states.get(subject) or self.before.get(subject) or KeyState()

    def changed(self) -> dict[str, KeyState]:
        return {subject: state for subject, state in self.states.items() if state != self.before.get(subject)}


class Sink(Protocol):
    """Where clean entities go; `millrace_feeds.publisher.Publisher` is one."""

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Write in order per key; returns when all are acknowledged, raises `Unavailable` if any may not be."""


class Refiner:
    """The handler of `changes`.

    While `max_held` keys wait for missing versions, the next batch's gaps are skipped without a wait.
    """

    def __init__(
        self,
        *,
        store: StateStore,
        sink: Sink,
        clock: Clock,
        figures: Figures,
        limits: Limits,
        max_held: int,
    ) -> None:
        self._store = store
        self._sink = sink
        self._clock = clock
        self._figures = figures
        self._limits = limits
        self._max_held = max_held
        self._guard = KeyGuard()
        self._holding: dict[str, float] = {}

    @property
    def holding(self) -> int:
        """Keys that wait for a missing version, as far as this process knows."""
        return len(self._holding)

    async def handle(self, records: Sequence[Record]) -> None:
        """Apply records; raises `InvalidRecord` for one that can't be used, after its version was noted as parked.

        Then only the key of that record was worked on, so that handing in the rest again repeats next to nothing.
        """
        inputs = [clean(record) for record in records]
        refused = next((each for each in inputs if isinstance(each, Refused)), None)
        if refused is None:
            await self._apply(inputs)
            return
        if refused.version is not None:
            await self._apply([each for each in inputs if each.subject == refused.subject])
        self._figures.refuse()
        raise InvalidRecord(refused.record, refused.reason)

    async def release_due(self, shards: Collection[str]) -> int:
        """Skip the gaps whose wait is over; returns how many events went on.

        Only versions read from the given shards are touched, because another worker may be at work on others. `shards`
        should name those that this worker has read to their end: in one that lags, the missing version may still come.
        """
        now = self._clock.time()
        due = await self._store.due(now, _SWEEP)
        ours = {each.subject for each in due if each.shard in shards or each.at <= now - ORPHANED_AFTER}
        ours = self._guard.free(ours)
        if not ours:
            return 0
        async with self._guard.use(ours):
            batch = _Batch(await self._store.load(ours), self._limits)
            for subject, state in batch.before.items():
                decision = expire(state, now=now)
                batch.states[subject] = decision.state
                batch.outcomes.extend(decision.outcomes)
            await self._carry_out(batch)
        return len(batch.outcomes)

    async def _apply(self, inputs: Sequence[Change | Refused]) -> None:
        subjects = {each.subject for each in inputs}
        async with self._guard.use(subjects):
            batch = _Batch(await self._store.load(subjects), self._patience())
            for each in inputs:
                self._decide(batch, each)
            await self._carry_out(batch)
        if batch.conflict is not None:
            self._figures.conflict()
            raise InvalidRecord(batch.conflict, "entityversion: this version was seen before with another content")

    def _decide(self, batch: _Batch, each: Change | Refused) -> None:
        state, now = batch.state(each.subject), self._clock.time()
        if isinstance(each, Refused):
            decision = settle(state, each.version or 0, now=now)
        else:
            decision = arrive(state, each.arrival, now=now, shard=each.record.shard_id, limits=batch.limits)
            if any(isinstance(outcome, Conflict) for outcome in decision.outcomes):
                batch.conflict = batch.conflict or each.record
        batch.states[each.subject] = decision.state
        batch.outcomes.extend(decision.outcomes)

    def _patience(self) -> Limits:
        if len(self._holding) >= self._max_held:
            self._forget_holding()
        full = len(self._holding) >= self._max_held
        return replace(self._limits, wait=0.0) if full else self._limits

    async def _carry_out(self, batch: _Batch) -> None:
        emits = [outcome for outcome in batch.outcomes if isinstance(outcome, Emit)]
        for wave in _waves(emits):
            await self._sink.publish(wave)
        await self._store.save(batch.changed())
        self._note_holding(batch.states)
        self._figures.count(batch.outcomes)
        _warn_of_gaps(emits)

    def _note_holding(self, states: Mapping[str, KeyState]) -> None:
        for subject, state in states.items():
            if state.due is None:
                self._holding.pop(subject, None)
            else:
                self._holding[subject] = state.due

    def _forget_holding(self) -> None:
        """Keys that another worker took over, or whose state was lost, aren't ours to count."""
        past = self._clock.time() - ORPHANED_AFTER
        self._holding = {subject: due for subject, due in self._holding.items() if due > past}


def _waves(emits: Iterable[Emit]) -> list[list[Envelope]]:
    """The n-th wave holds each key's n-th event.

    A put request may fail in part. With two versions of a key in it, the later could be in the stream before the
    earlier; so the next version follows only once the one before it is acknowledged.
    """
    waves: list[list[Envelope]] = []
    seen: Counter[str] = Counter()
    for emit in emits:
        subject = emit.envelope.subject
        if seen[subject] == len(waves):
            waves.append([])
        waves[seen[subject]].append(emit.envelope)
        seen[subject] += 1
    return waves


def _warn_of_gaps(emits: Iterable[Emit]) -> None:
    for emit in emits:
        if emit.skipped:
            logger.warning(
                "gap skipped",
                extra={
                    "subject": emit.envelope.subject,
                    "version": emit.envelope.entityversion,
                    "skipped": emit.skipped,
                },
            )
