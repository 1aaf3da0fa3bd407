"""Load a whole generation of the read model in bulk, before it is served."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeVar

from redis.asyncio import Redis

from millrace_readmodel import layout
from millrace_readmodel.cards import Card, StoredCard, encode_card, encode_name_entry, encode_row, to_stored_card
from millrace_readmodel.items import PlanItem, encode_plan
from millrace_readmodel.openings import EMPTY_ENTRY

CARDS_PER_BATCH: Final = 500
STRINGS_PER_BATCH: Final = 500
MEMBERS_PER_BATCH: Final = 5_000
T = TypeVar("T")


class RepeatedCommandError(Exception):
    """A command that must run only once ran twice (it was repeated after a lost connection). Discard the generation."""


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """Numbers of entries that a bulk load wrote, by kind."""

    cards: int
    partitions: int
    words: int
    plan_sets: int
    plans: int


@dataclass(slots=True)
class BulkLoader:
    """Writes a generation: call `add` and `add_plans` for each batch, then `close`.

    Cards are written immediately. Partitions, openings, name words and plan sets stay in memory until `close`: about
    130 bytes per card, and 150 more for a card with openings.
    """

    redis: Redis
    generation: int
    count: int = 0
    plans: int = 0
    _plan_sets: dict[tuple[str, ...], int] = field(default_factory=lambda: {(): 0})
    _partitions: dict[tuple[int, str], bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    _openings: dict[tuple[int, str], bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    _names: dict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))

    async def add(self, cards: Iterable[Card], openings: Mapping[str, bytes]) -> None:
        """Write these cards, whose provider-locations must not have been added before.

        `openings` maps provider-location ids to entries (`layout.OPENINGS`).
        """
        for batch in batches(cards, CARDS_PER_BATCH):
            values: dict[bytes, bytes] = {}
            for card in batch:
                record = to_stored_card(card, self._plan_sets.setdefault(card.plans, len(self._plan_sets)))
                self._index(record, openings.get(card.id))
                values[layout.card_key(self.generation, record.row)] = encode_card(record)
            await self.redis.mset(values)
            self.count += len(values)

    async def add_plans(self, plans: Iterable[PlanItem]) -> None:
        """Write these insurance plans; skip deleted ones."""
        for batch in batches((plan for plan in plans if plan.data is not None), MEMBERS_PER_BATCH):
            values = [item for plan in batch for item in (plan.id, encode_plan(plan))]
            await self.redis.hset(layout.plans_key(self.generation), items=values)
            self.plans += len(batch)

    async def close(self) -> LoadCounts:
        """Write partitions, openings, names and plan sets; return counts of all entries written.

        Raises `RepeatedCommandError` if a command was repeated.
        """
        keys = ((layout.partition_key(self.generation, *key), rows) for key, rows in self._partitions.items())
        await self._set(keys)
        await self._set((layout.openings_key(self.generation, *key), each) for key, each in self._openings.items())
        await self._set((layout.name_key(self.generation, word), entries) for word, entries in self._names.items())
        for words in batches(self._names, MEMBERS_PER_BATCH):
            await self.redis.sadd(layout.words_key(self.generation), *words)
        for plan_sets in batches(self._plan_sets.items(), MEMBERS_PER_BATCH):
            await self._intern(dict(plan_sets))
        return LoadCounts(self.count, len(self._partitions), len(self._names), len(self._plan_sets), self.plans)

    def _index(self, card: StoredCard, openings: bytes | None) -> None:
        partition = card.specialty, card.cell
        rows = self._partitions[partition]
        if openings and openings != EMPTY_ENTRY:
            entries = self._openings[partition]
            entries += bytes(len(rows) // layout.ROW.itemsize * len(EMPTY_ENTRY) - len(entries))
            entries += openings
        rows += encode_row(card)
        entry = encode_name_entry(card)
        for word in card.words:
            self._names[word] += entry

    async def _set(self, strings: Iterable[tuple[str, bytearray]]) -> None:
        for batch in batches(strings, STRINGS_PER_BATCH):
            await self.redis.mset({key: bytes(value) for key, value in batch})

    async def _intern(self, plan_sets: Mapping[tuple[str, ...], int]) -> None:
        index = [item for plans, number in plan_sets.items() for item in (layout.plan_set_digest(plans), number)]
        async with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.rpush(layout.plan_sets_key(self.generation), *(" ".join(plans) for plans in plan_sets))
            pipeline.hset(layout.plan_set_index_key(self.generation), items=index)
            length, _ = await pipeline.execute()
        # redis-py repeats the command after a lost connection, which would shift the numbers of all sets.
        if length != max(plan_sets.values()) + 1:
            raise RepeatedCommandError(
                f"generation {self.generation}: plan sets were written twice; start the rebuild again"
            )


async def load(
    redis: Redis, generation: int, cards: Iterable[Card], openings: Callable[[Card], bytes] = lambda _: EMPTY_ENTRY
) -> LoadCounts:
    """Write a generation that has no keys yet from these cards; return counts of the entries written.

    `openings` returns the openings entry (`layout.OPENINGS`) of a card.
    """
    loader = BulkLoader(redis, generation)
    for batch in batches(cards, CARDS_PER_BATCH):
        await loader.add(batch, {card.id: openings(card) for card in batch})
    return await loader.close()


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size` items; the last may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
