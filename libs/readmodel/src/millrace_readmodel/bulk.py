"""Loads a whole generation of the read model at once, in whole strings: for rebuilds, into keys that nobody reads."""

from collections import defaultdict
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Final, TypeVar

from redis.asyncio import Redis

from millrace_readmodel import layout
from millrace_readmodel.cards import Card, StoredCard, encode_card, name_entry_of, row_of, stored
from millrace_readmodel.items import PlanItem, plan_value
from millrace_readmodel.openings import NOTHING

CARDS_AT_ONCE: Final = 500
STRINGS_AT_ONCE: Final = 500
MEMBERS_AT_ONCE: Final = 5_000
EMPTY: Final[Mapping[str, bytes]] = MappingProxyType({})
T = TypeVar("T")


class RepeatedError(Exception):
    """A command that must not be repeated was; what was loaded is of no use."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a bulk load wrote."""

    cards: int
    partitions: int
    words: int
    plan_sets: int
    plans: int


@dataclass(slots=True)
class Loader:
    """Collects cards and writes them; the caller feeds batches, then closes.

    Cards go out at once. Partitions, openings, name words and plan sets stay in memory until `close`, some
    130 bytes a card and 150 more where it has openings.
    """

    redis: Redis
    generation: int
    count: int = 0
    plans: int = 0
    _plan_sets: dict[tuple[str, ...], int] = field(default_factory=lambda: {(): 0})
    _partitions: dict[tuple[int, str], bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    _openings: dict[tuple[int, str], bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    _names: dict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))

    async def add(self, cards: Iterable[Card], openings: Mapping[str, bytes] = EMPTY) -> None:
        """Write these cards, in pipelines of bounded size. No provider-location may come twice.

        `openings` are entries (`layout.OPENINGS`) by provider-location.
        """
        for batch in batches(cards, CARDS_AT_ONCE):
            values: dict[bytes, bytes] = {}
            for card in batch:
                kept = stored(card, self._plan_sets.setdefault(card.plans, len(self._plan_sets)))
                self._index(kept, openings.get(card.id))
                values[layout.card_key(self.generation, kept.row)] = encode_card(kept)
            await self.redis.mset(values)
            self.count += len(values)

    async def add_plans(self, plans: Iterable[PlanItem]) -> None:
        """Write these insurance plans; deleted ones are passed over."""
        for batch in batches((plan for plan in plans if plan.data is not None), MEMBERS_AT_ONCE):
            values = [item for plan in batch for item in (plan.id, plan_value(plan))]
            await self.redis.hset(layout.plans_key(self.generation), items=values)
            self.plans += len(batch)

    async def close(self) -> Loaded:
        """Write partitions, names and plan sets. Raises `RepeatedError`."""
        keys = ((layout.partition_key(self.generation, *key), rows) for key, rows in self._partitions.items())
        await self._set(keys)
        await self._set((layout.openings_key(self.generation, *key), each) for key, each in self._openings.items())
        await self._set((layout.name_key(self.generation, word), entries) for word, entries in self._names.items())
        for words in batches(self._names, MEMBERS_AT_ONCE):
            await self.redis.sadd(layout.words_key(self.generation), *words)
        for plan_sets in batches(self._plan_sets.items(), MEMBERS_AT_ONCE):
            await self._intern(dict(plan_sets))
        return Loaded(self.count, len(self._partitions), len(self._names), len(self._plan_sets), self.plans)

    def _index(self, card: StoredCard, openings: bytes | None) -> None:
        partition = card.specialty, card.cell
        rows = self._partitions[partition]
        if openings and openings != NOTHING:
            entries = self._openings[partition]
            entries += bytes(len(rows) // layout.ROW.itemsize * len(NOTHING) - len(entries))
            entries += openings
        rows += row_of(card)
        entry = name_entry_of(card)
        for word in card.words:
            self._names[word] += entry

    async def _set(self, strings: Iterable[tuple[str, bytearray]]) -> None:
        for batch in batches(strings, STRINGS_AT_ONCE):
            await self.redis.mset({key: bytes(value) for key, value in batch})

    async def _intern(self, plan_sets: Mapping[tuple[str, ...], int]) -> None:
        index = [item for plans, number in plan_sets.items() for item in (layout.plan_set_digest(plans), number)]
        async with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.rpush(layout.plan_sets_key(self.generation), *(" ".join(plans) for plans in plan_sets))
            pipeline.hset(layout.plan_set_index_key(self.generation), items=index)
            length, _ = await pipeline.execute()
        # A client that met a lost connection sends again, and then each number would stand for another set.
        if length != max(plan_sets.values()) + 1:
            raise RepeatedError(f"generation {self.generation}: plan sets were written twice")


async def load(
    redis: Redis,
    generation: int,
    cards: Iterable[Card] | AsyncIterable[list[Card]],
    openings: Callable[[Card], bytes] = lambda _: NOTHING,
) -> Loaded:
    """Load a generation whose keys don't exist yet from cards, or from batches of cards as they come.

    `openings` makes the entry of a card's openings.
    """
    loader = Loader(redis, generation)
    async for batch in _as_they_come(cards):
        await loader.add(batch, {card.id: openings(card) for card in batch})
    return await loader.close()


async def _as_they_come(cards: Iterable[Card] | AsyncIterable[list[Card]]) -> AsyncIterator[list[Card]]:
    if isinstance(cards, AsyncIterable):
        async for batch in cards:
            yield batch
    else:
        for batch in batches(cards, CARDS_AT_ONCE):
            yield batch


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items; the last may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
