"""Writes single providers and plans into a generation of the read model, beside other writers of the same ones.

A card is replaced by compare-and-set, after its row and name entries were written: the old card is the only record of
where these lie. Who loses reads the truth again, writes what it says now, and takes back what it wrote elsewhere. A
removed card leaves its version for some minutes, or a slow writer could bring it back.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from redis.asyncio import Redis

from millrace_readmodel import cards, layout, scripts
from millrace_readmodel.cards import (
    Card,
    StoredCard,
    cards_of,
    content_of,
    decode_card,
    encode_card,
    encode_removal,
    stamp_of,
    stored,
    version_of,
)
from millrace_readmodel.changes import Changes, Partition, changes, partition_of
from millrace_readmodel.items import PLAN_PREFIX, PROVIDER_PREFIX, PlanItem, plan_value
from millrace_readmodel.plan_sets import PlanSets
from millrace_readmodel.scripts import Call

ATTEMPTS: Final = 12
REMOVAL_SECONDS: Final = 600
"""How long it is remembered that a card was removed: much longer than a writer takes from the truth to its card."""
_WIDTH: Final = 8


class ContentionError(Exception):
    """Other writers were faster every time; trying again later will do."""


class Source(Protocol):
    """The truth as the writer reads it, strongly consistent."""

    async def collections(self, npis: Collection[str]) -> list[cards.Collection]: ...

    async def plans(self, plan_ids: Collection[str]) -> list[PlanItem]: ...


@dataclass(slots=True)
class _Attempts:
    """What earlier attempts at one provider-location have left behind, and learnt."""

    partitions: set[Partition] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    ahead: int | None = None
    """Version of the stored card where it was higher than the truth's."""


@dataclass(frozen=True, slots=True)
class _Write:
    """One provider-location: the value that was read, with its card, the value to write, and what lies between."""

    npi: str
    id: str
    version: int
    force: bool
    before: bytes | None
    old: StoredCard | None
    after: bytes
    changes: Changes

    @property
    def is_needed(self) -> bool:
        """Whether version or content differ; a removal is noted as well, for writers who know less."""
        same = version_of(self.before) == self.version and content_of(self.before) == content_of(self.after)
        return not same


class ReadModelWriter:
    """Brings cards, rows, names and plans of one generation in line with the truth.

    All methods raise redis-py's `RedisError`, what `source` raises, and `ContentionError`; repeating them is harmless.
    """

    def __init__(self, redis: Redis, source: Source, *, attempts: int = ATTEMPTS) -> None:
        self._redis = redis
        self._source = source
        self._attempts = attempts
        self._plan_sets = PlanSets(redis)

    async def write(self, generation: int, aggregates: Collection[str]) -> None:
        """Write what the truth says now of these aggregates: partition keys of the truth; others than providers and
        plans don't show in the read model."""
        await self.write_providers(generation, _below(PROVIDER_PREFIX, aggregates))
        await self.write_plans(generation, _below(PLAN_PREFIX, aggregates))

    async def write_providers(self, generation: int, npis: Collection[str]) -> None:
        """Write all cards of these providers, and remove those that they should not have."""
        tried: dict[str, _Attempts] = defaultdict(_Attempts)
        pending = dict.fromkeys(npis)
        for _ in range(self._attempts):
            if not pending:
                return
            collections = await self._source.collections(pending)
            pending = dict.fromkeys(await self._attempt(generation, collections, tried))
        if pending:
            raise ContentionError(f"{len(pending)} providers, {next(iter(pending))} among them")

    async def write_plans(self, generation: int, plan_ids: Collection[str]) -> None:
        """Write these insurance plans, and remove those that are gone."""
        key = layout.plans_key(generation)
        pending = list(dict.fromkeys(plan_ids))
        for _ in range(self._attempts):
            if not pending:
                return
            # Reading the stored plan first makes sure that what replaces it is at least as new.
            old = await self._redis.hmget(key, pending)
            plans = await self._source.plans(pending)
            calls = [
                Call(scripts.PLAN, (key,), (plan.id, (before or b"")[:_WIDTH], plan_value(plan)))
                for plan, before in zip(plans, old, strict=True)
            ]
            written = await scripts.run(self._redis, calls)
            pending = [plan_id for plan_id, done in zip(pending, written, strict=True) if not done]
        if pending:
            raise ContentionError(f"{len(pending)} plans, {pending[0]} among them")

    async def _attempt(
        self, generation: int, collections: Sequence[cards.Collection], tried: dict[str, _Attempts]
    ) -> list[str]:
        """Write once; returns the NPIs that must be written again."""
        wanted = {card.id: card for collection in collections for card in cards_of(collection)}
        numbers = await self._plan_sets.numbers(generation, {card.plans for card in wanted.values()})
        ids = [(collection, each) for collection in collections for each in collection.location_ids]
        olds = await self._cards(generation, [each for _, each in ids])
        writes: list[_Write] = []
        again: list[str] = []
        for (collection, each), old in zip(ids, olds, strict=True):
            write = _plan_write(collection, each, old, wanted.get(each), plan_sets=numbers, tried=tried)
            if write is None:
                again.append(collection.npi)
            elif write.is_needed or each in tried:
                writes.append(write)
        lost = await self._apply(generation, writes)
        for write in lost:
            _remember(tried[write.id], write)
        return [*again, *(write.npi for write in lost)]

    async def _cards(self, generation: int, ids: Sequence[str]) -> list[bytes | None]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for each in ids:
                pipeline.get(layout.card_key(generation, layout.row_id(each)))
            found: list[bytes | None] = await pipeline.execute() if ids else []
            return found

    async def _apply(self, generation: int, writes: Sequence[_Write]) -> list[_Write]:
        """Rows and names first, then the cards; returns the writes whose card another writer had replaced."""
        await scripts.run(self._redis, [*_row_calls(generation, writes), *_name_calls(generation, writes)])
        written = await scripts.run(
            self._redis,
            [
                Call(
                    scripts.CARD,
                    (layout.card_key(generation, write.changes.row),),
                    (stamp_of(write.before), write.after, REMOVAL_SECONDS),
                )
                for write in writes
            ],
        )
        return [write for write, done in zip(writes, written, strict=True) if not done]


def _plan_write(
    collection: cards.Collection,
    provider_location_id: str,
    old_value: bytes | None,
    card: Card | None,
    *,
    plan_sets: dict[tuple[str, ...], int],
    tried: dict[str, _Attempts],
) -> _Write | None:
    """What to write for one provider-location; None if the truth has to be read again first."""
    earlier = tried.get(provider_location_id) or _Attempts()
    known = version_of(old_value)
    ahead = known > collection.versions
    if ahead and earlier.ahead != known:
        # Somebody knows more than this reading of the truth. If a later reading doesn't, the truth was set back.
        tried[provider_location_id].ahead = known
        return None
    old = decode_card(old_value)
    new = stored(card, plan_sets[card.plans]) if card else None
    return _Write(
        npi=collection.npi,
        id=provider_location_id,
        version=collection.versions,
        force=ahead,
        before=old_value,
        old=old,
        after=encode_card(new, after=old_value) if new else encode_removal(collection.versions, after=old_value),
        changes=changes(
            provider_location_id,
            old,
            new,
            tried=frozenset(earlier.partitions),
            tried_words=frozenset(earlier.words),
        ),
    )


def _remember(attempts: _Attempts, write: _Write) -> None:
    if write.changes.upsert:
        attempts.partitions.add(write.changes.upsert[0])
    if write.old:
        attempts.partitions.add(partition_of(write.old))
    attempts.words |= write.changes.added_words | write.changes.removed_words


def _row_calls(generation: int, writes: Iterable[_Write]) -> list[Call]:
    puts: dict[tuple[Partition, bool], bytearray] = defaultdict(bytearray)
    removals: dict[tuple[Partition, bool], bytearray] = defaultdict(bytearray)
    for write in writes:
        if write.changes.upsert:
            partition, row = write.changes.upsert
            puts[partition, write.force] += row
        for partition in write.changes.removed_from:
            removals[partition, write.force] += _packed(write.changes.row) + _packed(write.version)
    return [
        Call(
            scripts.ROWS,
            (layout.partition_key(generation, partition.specialty, partition.cell),),
            (int(force), bytes(puts[partition, force]), bytes(removals[partition, force])),
        )
        for partition, force in puts.keys() | removals.keys()
    ]


def _name_calls(generation: int, writes: Iterable[_Write]) -> list[Call]:
    puts: dict[str, bytearray] = defaultdict(bytearray)
    removals: dict[str, bytearray] = defaultdict(bytearray)
    for write in writes:
        for word in write.changes.added_words:
            puts[word] += write.changes.entry
        for word in write.changes.removed_words:
            removals[word] += _packed(write.changes.row)
    words = layout.words_key(generation)
    return [
        Call(
            scripts.NAMES,
            (layout.name_key(generation, word), words),
            (word, bytes(puts[word]), bytes(removals[word])),
        )
        for word in puts.keys() | removals.keys()
    ]


def _packed(number: int) -> bytes:
    return number.to_bytes(_WIDTH, "little")


def _below(prefix: str, aggregates: Iterable[str]) -> list[str]:
    return [each.removeprefix(prefix) for each in aggregates if each.startswith(prefix)]
