"""Write single providers and plans into a generation of the read model, concurrently with other writers.

A card is replaced by compare-and-set after its row and name entries: only the old card records where they are.
A writer that loses reads the source of truth again, writes the new state, and removes what it wrote elsewhere. The
version of a removed card remains for some minutes; otherwise a slow writer could restore the card.

The openings of a new or moved row are read from the source of truth after its card is written; from then on, other
writers of openings see the row.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from redis.asyncio import Redis

from millrace_readmodel import cards, layout, openings_writer, scripts
from millrace_readmodel.cards import (
    Card,
    StoredCard,
    build_cards,
    card_content,
    card_stamp,
    card_version,
    decode_card,
    encode_card,
    encode_removal,
    to_stored_card,
)
from millrace_readmodel.changes import CardChanges, Partition, diff_cards, partition_of
from millrace_readmodel.items import PLAN_PREFIX, PROVIDER_PREFIX, PlanItem, encode_plan
from millrace_readmodel.openings import WeekItem
from millrace_readmodel.openings_writer import OpeningsWriter, Target, target_for
from millrace_readmodel.plan_sets import PlanSets
from millrace_readmodel.scripts import Call

ATTEMPTS: Final = 12
REMOVAL_SECONDS: Final = 600
"""Seconds until the version of a removed card expires: much longer than one write takes."""


class WriterSource(openings_writer.OpeningsSource, Protocol):
    """Reads the source of truth, strongly consistent."""

    async def collections(self, npis: Collection[str]) -> list[cards.ItemCollection]: ...

    async def plans(self, plan_ids: Collection[str]) -> list[PlanItem]: ...


@dataclass(slots=True)
class _Attempts:
    """State of earlier attempts to write one provider-location: where they wrote and which version they found."""

    partitions: set[Partition] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    ahead: int | None = None
    """Version of the stored card if it was higher than that of the source of truth."""


@dataclass(frozen=True, slots=True)
class _CardWrite:
    """The replacement of one card: old value and card, new value, and the other writes it needs."""

    npi: str
    id: str
    version: int
    force: bool
    before: bytes | None
    old: StoredCard | None
    after: bytes
    changes: CardChanges

    @property
    def is_needed(self) -> bool:
        """Whether version or content changes. Removals are written too, so that older writers notice them."""
        same = card_version(self.before) == self.version and card_content(self.before) == card_content(self.after)
        return not same


class ReadModelWriter:
    """Updates cards, rows, openings, names and plans of a generation from the source of truth.

    Methods raise redis-py's `RedisError`, the errors of `source`, and `ContentionError`; they are safe to repeat.
    """

    def __init__(
        self, redis: Redis, source: WriterSource, *, now: Callable[[], float] = time.time, attempts: int = ATTEMPTS
    ) -> None:
        """`now` returns Unix seconds; openings are written from the current day on."""
        self._redis = redis
        self._source = source
        self._attempts = attempts
        self._plan_sets = PlanSets(redis)
        self._openings = OpeningsWriter(redis, source, now=now, attempts=attempts)

    async def write(self, generation: int, aggregates: Collection[str], weeks: Sequence[WeekItem] = ()) -> None:
        """Write the current state of these aggregates (partition keys of the source of truth), and weeks of openings.

        Only providers and plans appear in the read model. `weeks` must already be in the source of truth.
        """
        await self.write_providers(generation, _ids_with_prefix(PROVIDER_PREFIX, aggregates))
        await self.write_plans(generation, _ids_with_prefix(PLAN_PREFIX, aggregates))
        # A writer that read the source of truth before these weeks may be about to create a missing card.
        await self.write_providers(generation, await self._openings.merge(generation, weeks))

    async def write_providers(self, generation: int, npis: Collection[str]) -> None:
        """Write all cards of the providers with these NPIs and remove their obsolete cards."""
        tried: dict[str, _Attempts] = defaultdict(_Attempts)

        async def write(pending: Collection[str]) -> Collection[str]:
            collections = await self._source.collections(pending)
            return dict.fromkeys(await self._attempt(generation, collections, tried))

        await scripts.write_until_done(dict.fromkeys(npis), write, attempts=self._attempts, kind="providers")

    async def write_plans(self, generation: int, plan_ids: Collection[str]) -> None:
        """Write the insurance plans with these ids and remove the deleted ones."""
        key = layout.plans_key(generation)

        async def write(pending: Collection[str]) -> Collection[str]:
            # Read the stored plan first, so that its replacement is at least as new.
            old = await self._redis.hmget(key, list(pending))
            plans = await self._source.plans(pending)
            calls = [
                Call(scripts.PLAN, (key,), (plan.id, (before or b"")[:8], encode_plan(plan)))
                for plan, before in zip(plans, old, strict=True)
            ]
            written = await scripts.run(self._redis, calls)
            return [plan_id for plan_id, done in zip(pending, written, strict=True) if not done]

        await scripts.write_until_done(dict.fromkeys(plan_ids), write, attempts=self._attempts, kind="plans")

    async def _attempt(
        self, generation: int, collections: Sequence[cards.ItemCollection], tried: dict[str, _Attempts]
    ) -> list[str]:
        """Try to write these providers once; return the NPIs to retry."""
        wanted = {card.id: card for collection in collections for card in build_cards(collection)}
        numbers = await self._plan_sets.numbers(generation, {card.plans for card in wanted.values()})
        ids = [(collection, each) for collection in collections for each in collection.location_ids]
        olds = await self._cards(generation, [each for _, each in ids])
        writes: list[_CardWrite] = []
        again: list[str] = []
        refreshed: list[Target] = []
        for (collection, each), old in zip(ids, olds, strict=True):
            write = _prepare_write(collection, each, old, wanted.get(each), plan_sets=numbers, tried=tried)
            if write is None:
                again.append(collection.npi)
                continue
            if write.is_needed or each in tried:
                writes.append(write)
            if collection.weeks.get(each) and (new := decode_card(write.after)) and not _is_in_place(write.old, new):
                refreshed.append(target_for(new))
        lost = await self._apply(generation, writes)
        for write in lost:
            _add_attempt(tried[write.id], write)
        losers = {write.id for write in lost}
        await self._openings.refresh(generation, [each for each in refreshed if each.location_id not in losers])
        return [*again, *(write.npi for write in lost)]

    async def _cards(self, generation: int, ids: Sequence[str]) -> list[bytes | None]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for each in ids:
                pipeline.get(layout.card_key(generation, layout.row_id(each)))
            found: list[bytes | None] = await pipeline.execute() if ids else []
            return found

    async def _apply(self, generation: int, writes: Sequence[_CardWrite]) -> list[_CardWrite]:
        """Write rows and names, then cards; return the writes that failed because another writer replaced the card."""
        await scripts.run(self._redis, [*_row_calls(generation, writes), *_name_calls(generation, writes)])
        written = await scripts.run(
            self._redis,
            [
                Call(
                    scripts.CARD,
                    (layout.card_key(generation, write.changes.row),),
                    (card_stamp(write.before), write.after, REMOVAL_SECONDS),
                )
                for write in writes
            ],
        )
        return [write for write, done in zip(writes, written, strict=True) if not done]


def _prepare_write(
    collection: cards.ItemCollection,
    provider_location_id: str,
    old_value: bytes | None,
    card: Card | None,
    *,
    plan_sets: dict[tuple[str, ...], int],
    tried: dict[str, _Attempts],
) -> _CardWrite | None:
    """Return the write for one provider-location; None if the source of truth must be read again first."""
    earlier = tried.get(provider_location_id) or _Attempts()
    known = card_version(old_value)
    ahead = known > collection.versions
    if ahead and earlier.ahead != known:
        # Another writer read a newer state. If the next read isn't newer either, the source of truth was restored.
        tried[provider_location_id].ahead = known
        return None
    old = decode_card(old_value)
    new = to_stored_card(card, plan_sets[card.plans]) if card else None
    return _CardWrite(
        npi=collection.npi,
        id=provider_location_id,
        version=collection.versions,
        force=ahead,
        before=old_value,
        old=old,
        after=encode_card(new, after=old_value) if new else encode_removal(collection.versions, after=old_value),
        changes=diff_cards(
            provider_location_id, old, new, tried=frozenset(earlier.partitions), tried_words=frozenset(earlier.words)
        ),
    )


def _is_in_place(old: StoredCard | None, new: StoredCard) -> bool:
    """Return whether the row is changed in place, so that its openings remain valid.

    False for an unchanged card: its writer may have failed before it wrote the openings.
    """
    if old is None or old == new:
        return False
    return partition_of(old) == partition_of(new) and old.time_zone == new.time_zone


def _add_attempt(attempts: _Attempts, write: _CardWrite) -> None:
    if write.changes.upsert:
        attempts.partitions.add(write.changes.upsert[0])
    if write.old:
        attempts.partitions.add(partition_of(write.old))
    attempts.words |= write.changes.added_words | write.changes.removed_words


def _row_calls(generation: int, writes: Iterable[_CardWrite]) -> list[Call]:
    puts: dict[tuple[Partition, bool], bytearray] = defaultdict(bytearray)
    removals: dict[tuple[Partition, bool], bytearray] = defaultdict(bytearray)
    for write in writes:
        if write.changes.upsert:
            partition, row = write.changes.upsert
            puts[partition, write.force] += row
        for partition in write.changes.removed_from:
            removals[partition, write.force] += scripts.pack_id(write.changes.row) + scripts.pack_id(write.version)
    return [
        Call(
            scripts.ROWS,
            openings_writer.partition_keys(generation, partition),
            (int(force), bytes(puts[partition, force]), bytes(removals[partition, force])),
        )
        for partition, force in puts.keys() | removals.keys()
    ]


def _name_calls(generation: int, writes: Iterable[_CardWrite]) -> list[Call]:
    puts: dict[str, bytearray] = defaultdict(bytearray)
    removals: dict[str, bytearray] = defaultdict(bytearray)
    for write in writes:
        for word in write.changes.added_words:
            puts[word] += write.changes.entry
        for word in write.changes.removed_words:
            removals[word] += scripts.pack_id(write.changes.row)
    words = layout.words_key(generation)
    return [
        Call(
            scripts.NAMES, (layout.name_key(generation, word), words), (word, bytes(puts[word]), bytes(removals[word]))
        )
        for word in puts.keys() | removals.keys()
    ]


def _ids_with_prefix(prefix: str, aggregates: Iterable[str]) -> list[str]:
    return [each.removeprefix(prefix) for each in aggregates if each.startswith(prefix)]
