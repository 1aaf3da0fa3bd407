"""Turn the changes that services publish into validated, normalized events, in order per key.

A batch has its effects in this order: publish the events and wait for the acknowledgements; save the keys' states;
return, so that the consumer can checkpoint. A crash in between repeats events with the same id and version, which
consumers of `entities` drop; no event is lost.
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
from millrace_refinery.cleaning import CleanChange, InvalidChange, clean_record
from millrace_refinery.key_locks import KeyLocks
from millrace_refinery.ordering import (
    Conflict,
    Emit,
    KeyState,
    Limits,
    Outcome,
    order_arrival,
    settle_version,
    skip_expired_gaps,
)
from millrace_refinery.states import StateStore
from millrace_refinery.stats import Stats

logger = logging.getLogger(__name__)

ORPHANED_AFTER = 60.0
"""Seconds past its due time after which workers that don't read its shard may emit a held version, too."""
_SWEEP_LIMIT = 100


@dataclass(slots=True)
class _Batch:
    """The key states that a batch changes, and the outcomes of its records."""

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
    """Publishes the cleaned events; implemented by `millrace_feeds.publisher.Publisher`."""

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Publish in order per key; return once all are acknowledged. Raises `Unavailable` if any may be lost."""


@dataclass(slots=True, kw_only=True)
class Refiner:
    """Cleans and orders records of the stream `changes` and publishes the results to `sink`.

    While `max_held` or more keys wait for missing versions, gaps in the next batch are skipped without a wait.
    """

    store: StateStore
    sink: Sink
    clock: Clock
    stats: Stats
    limits: Limits
    max_held: int
    _locks: KeyLocks = field(default_factory=KeyLocks, init=False)
    _waiting: dict[str, float] = field(default_factory=dict, init=False)
    """Keys that wait for a missing version, with the time (Unix seconds) at which they stop waiting."""

    @property
    def keys_waiting(self) -> int:
        """The number of keys that wait for a missing version, as far as this process knows."""
        return len(self._waiting)

    async def handle(self, records: Sequence[Record]) -> None:
        """Apply records. Raises `InvalidRecord` for an unusable one, after its version was marked as dead-lettered.

        In that case only this record's key was processed, so that handling the remaining records repeats little.
        """
        inputs = [clean_record(record) for record in records]
        invalid = next((each for each in inputs if isinstance(each, InvalidChange)), None)
        if invalid is None:
            await self._apply(inputs)
            return
        if invalid.version is not None:
            await self._apply([each for each in inputs if each.subject == invalid.subject])
        self.stats.count_dead_letter("refused")
        raise InvalidRecord(invalid.record, invalid.reason)

    async def skip_expired_gaps(self, shards: Collection[str]) -> int:
        """Skip the gaps whose wait is over; return the number of published events.

        Processes only versions read from the given shards, and those long overdue; other workers process the rest.
        Pass the shards that this worker has read to their end: in a lagging one the missing version may still arrive.
        """
        now = self.clock.time()
        due = await self.store.find_due(now, _SWEEP_LIMIT)
        ours = {each.subject for each in due if each.shard in shards or each.due <= now - ORPHANED_AFTER}
        ours = self._locks.unlocked(ours)
        if not ours:
            return 0
        async with self._locks.lock(ours):
            batch = _Batch(await self.store.load(ours), self.limits)
            for subject, state in batch.before.items():
                decision = skip_expired_gaps(state, now=now)
                batch.states[subject] = decision.state
                batch.outcomes.extend(decision.outcomes)
            await self._publish_and_save(batch)
        return len(batch.outcomes)

    async def _apply(self, inputs: Sequence[CleanChange | InvalidChange]) -> None:
        subjects = {each.subject for each in inputs}
        async with self._locks.lock(subjects):
            batch = _Batch(await self.store.load(subjects), self._current_limits())
            for each in inputs:
                self._decide(batch, each)
            await self._publish_and_save(batch)
        if batch.conflict is not None:
            self.stats.count_dead_letter("conflict")
            raise InvalidRecord(batch.conflict, "entityversion: this version was received before with another content")

    def _decide(self, batch: _Batch, each: CleanChange | InvalidChange) -> None:
        state, now = batch.state(each.subject), self.clock.time()
        if isinstance(each, InvalidChange):
            decision = settle_version(state, each.version or 0, now=now)
        else:
            decision = order_arrival(state, each.arrival, now=now, shard=each.record.shard_id, limits=batch.limits)
            if any(isinstance(outcome, Conflict) for outcome in decision.outcomes):
                batch.conflict = batch.conflict or each.record
        batch.states[each.subject] = decision.state
        batch.outcomes.extend(decision.outcomes)

    def _current_limits(self) -> Limits:
        if len(self._waiting) >= self.max_held:
            self._remove_orphaned()
        full = len(self._waiting) >= self.max_held
        return replace(self.limits, wait=0.0) if full else self.limits

    async def _publish_and_save(self, batch: _Batch) -> None:
        emits = [outcome for outcome in batch.outcomes if isinstance(outcome, Emit)]
        for wave in _waves(emits):
            await self.sink.publish(wave)
        await self.store.save(batch.changed())
        self._update_waiting(batch.states)
        self.stats.count_outcomes(batch.outcomes)
        _log_skipped_gaps(emits)

    def _update_waiting(self, states: Mapping[str, KeyState]) -> None:
        for subject, state in states.items():
            if state.due is None:
                self._waiting.pop(subject, None)
            else:
                self._waiting[subject] = state.due

    def _remove_orphaned(self) -> None:
        """Stop counting keys that another worker took over or whose state was lost."""
        past = self.clock.time() - ORPHANED_AFTER
        self._waiting = {subject: due for subject, due in self._waiting.items() if due > past}


def _waves(emits: Iterable[Emit]) -> list[list[Envelope]]:
    """Return lists of events to publish one after the other: the n-th list has the n-th event of each key.

    A put request may fail in part. With two versions of a key in one request, the later could enter the stream before
    the earlier; so a version is sent once the one before it is acknowledged.
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


def _log_skipped_gaps(emits: Iterable[Emit]) -> None:
    for emit in emits:
        if emit.skipped:
            envelope = emit.envelope
            extra = {"subject": envelope.subject, "version": envelope.entityversion, "skipped": emit.skipped}
            logger.warning("gap skipped", extra=extra)
