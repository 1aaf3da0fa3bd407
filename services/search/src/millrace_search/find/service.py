"""A search from its parameters to the answer's bytes."""

import asyncio
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, chain
from operator import is_
from typing import Final, TypeVar, cast

import numpy as np

from millrace_feeds.clock import Clock
from millrace_platform.errors import FieldError, Unavailable, Unprocessable
from millrace_readmodel.cached_generation import Generation, GenerationMovedError, Kind
from millrace_readmodel.layout import ROW, card_prefix, openings_key_beside, partition_key
from millrace_readmodel.lru import Lru
from millrace_readmodel.near_cache import NearCache
from millrace_readmodel.tracking import UnavailableError
from millrace_reference.text import closest
from millrace_search.engine import cursor as cursors
from millrace_search.engine.area import Area, Bools, Ids, area_of
from millrace_search.engine.cover import cells
from millrace_search.engine.openings import Bookable, Openings, local_times, openings_of
from millrace_search.engine.query import Page, run
from millrace_search.find.answer import answer
from millrace_search.find.names import named, partitions
from millrace_search.find.parameters import Search
from millrace_search.index.as_of import AsOf
from millrace_search.index.cards import RenderedCard
from millrace_search.index.kinds import Kinds
from millrace_search.index.lexicon import Lexicon, Lexicons
from millrace_search.index.openings import TICK, UNKNOWN, belongs, entry_at, place_of, rendered
from millrace_search.index.plans import Plan

ATTEMPTS: Final = 3
"""Times that a search is begun because the generation moved under it."""
KEY_SETS: Final = 16_384
NEIGHBOURS: Final = 25
"""Plan ids on each side of an unknown one that are compared with it."""
V = TypeVar("V")

Place = tuple[int, str]
"""Specialty ordinal and cell of a partition."""


@dataclass(slots=True)
class Figures:
    """What happened to searches since the start."""

    searches: int = 0
    moved: int = 0
    """Attempts ended by a switch of generations."""
    reread: int = 0
    """Pages that were made again because a card did not belong to its row."""
    left_out: int = 0
    """Results left out because card and row still disagreed then."""


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """An area, and the very objects of the near cache that it was made of: while these are the same, it is true."""

    parts: Sequence[bytes]
    area: Area
    ends: Sequence[int]
    """Where in the area the rows of each part end."""


@dataclass(frozen=True, slots=True, eq=False)
class _KeptOpenings:
    """Openings of an area, and what they were made of."""

    area: Area
    columns: Sequence[bytes]
    openings: Openings


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Where the matches are, before they are ordered."""

    places: AbstractSet[Place]
    keys: tuple[bytes, ...]
    kept: _Kept
    names: Ids | None = None

    @property
    def area(self) -> Area:
        return self.kept.area


class Searches:
    """Answers searches from the read model. Raises `Unavailable` where it can't be read, `Unprocessable` as told."""

    def __init__(
        self, near: NearCache, kinds: Kinds, lexicons: Lexicons, as_of: AsOf, clock: Clock, *, areas: int
    ) -> None:
        """`areas` bounds the bytes of rows that are kept ready, and once more those of their openings."""
        self.now = clock.time
        self.figures = Figures()
        self._near = near
        self._kinds = kinds
        self._lexicons = lexicons
        self._as_of = as_of
        self._areas: Lru[tuple[bytes, ...], _Kept] = Lru(areas, lambda kept: kept.area.nbytes)
        self._openings: Lru[tuple[bytes, ...], _KeptOpenings] = Lru(areas, lambda kept: kept.openings.nbytes)

    async def search(self, search: Search) -> bytes:
        """The JSON of the answer, all of one generation."""
        self.figures.searches += 1
        generation = self._near.current
        try:
            for _ in range(ATTEMPTS):
                try:
                    return await self._answer(generation or await self._near.untracked(), search)
                except GenerationMovedError:
                    self.figures.moved += 1
                    generation = None
        except UnavailableError as error:
            raise Unavailable("The read model can't be read now.") from error
        raise Unavailable("The read model is being switched.")

    async def _answer(self, generation: Generation, search: Search) -> bytes:
        outcome = await self._attempt(generation, search)
        results = outcome.results()
        if len(results) < len(outcome.cards) or outcome.misplaced:
            # A row and its card are written one after the other, and near copies of them go stale one after the other.
            self.figures.reread += 1
            keys = outcome.found.keys
            generation.forget(chain(keys, map(openings_key_beside, keys), _card_keys(generation, outcome.page)))
            outcome = await self._attempt(generation, search)
            results = outcome.results()
        self.figures.left_out += len(outcome.cards) - len(results)
        return answer(
            results=results,
            total=outcome.page.total,
            facets=outcome.page.facets,
            plan=outcome.plan,
            as_of=self._as_of.text,
            cursor=_cursor(search, outcome.page),
        )

    async def _attempt(self, generation: Generation, search: Search) -> "_Outcome":
        found = await self._find(generation, search)
        plan: Plan | None = None
        accepting: Bools | None = None
        if search.plan is not None:
            plan, accepting = await self._accepting(await self._lexicons.of(generation), search.plan, found.area)
        query = search.query
        if accepting is not None or found.names is not None:
            query = replace(query, accepting=accepting, names=found.names)
        if query.booking or query.sort == "soonest":
            openings = await self._openings_of(generation, found)
            query = replace(query, bookable=Bookable(openings, search.wanted, local_times(int(self.now() // 60))))
        page = run(found.area, query)
        cards = await self._values(generation, self._kinds.cards, _card_keys(generation, page))
        entries = await self._entries(generation, found, page)
        return _Outcome(found, page, cards, entries, plan, int(self.now() // TICK))

    async def _find(self, generation: Generation, search: Search) -> _Found:
        if not search.words:
            places, keys = _places(generation.number, search.specialties, cells(search.query.circle))
            return _Found(places, keys, await self._area(generation, keys))
        lexicon = await self._lexicons.of(generation)
        naming = named(generation, self._kinds, lexicon.vocabulary, search.words)
        if search.specialties:
            places, keys = _places(generation.number, search.specialties, cells(search.query.circle))
            matches, area = await asyncio.gather(naming, self._area(generation, keys))
        else:
            matches = await naming
            places = frozenset(partitions(matches, search.query.circle))
            keys = _keys(generation.number, places)
            area = await self._area(generation, keys)
        return _Found(places, keys, area, matches.ids)

    async def _openings_of(self, generation: Generation, found: _Found) -> Openings:
        """Of all rows of the area."""
        columns = await self._values(generation, self._kinds.openings, [*map(openings_key_beside, found.keys)])
        kept = self._openings.get(found.keys)
        if kept is not None and kept.area is found.area and all(map(is_, kept.columns, columns)):
            return kept.openings
        openings = openings_of(found.area.ids, found.kept.parts, columns)
        self._openings.put(found.keys, _KeptOpenings(found.area, columns, openings))
        return openings

    async def _entries(self, generation: Generation, found: _Found, page: Page) -> list[bytes]:
        """Of the rows of the page."""
        places = [place_of(row, found.kept.ends) for row in page.rows]
        parts = sorted({part for part, _ in places})
        keys = [openings_key_beside(found.keys[part]) for part in parts]
        columns = dict(zip(parts, await self._values(generation, self._kinds.openings, keys), strict=True))
        return [entry_at(columns[part], place) for part, place in places]

    async def _area(self, generation: Generation, keys: tuple[bytes, ...]) -> _Kept:
        parts = await self._values(generation, self._kinds.partitions, keys)
        kept = self._areas.get(keys)
        if kept is not None and all(map(is_, kept.parts, parts)):
            return kept
        ends = list(accumulate(len(part) // ROW.itemsize for part in parts))
        kept = _Kept(parts, area_of(b"".join(parts)), ends)
        self._areas.put(keys, kept)
        return kept

    async def _values(self, generation: Generation, kind: Kind[V], keys: Sequence[bytes]) -> Sequence[V]:
        store = generation.store(kind)
        values = [store.get(key) for key in keys]
        if None in values:
            loaded = await generation.load(kind, keys)
            return [loaded[key] for key in keys]
        return cast(list[V], values)

    async def _accepting(self, lexicon: Lexicon, plan_id: str, area: Area) -> tuple[Plan, Bools]:
        """The plan, and which plan sets of those in the area hold it."""
        highest = area.highest_plan_set
        if highest >= len(lexicon.plan_sets):
            await lexicon.refresh_plan_sets()
        plan = lexicon.plans.get(plan_id)
        if plan is None and plan_id not in lexicon.plan_sets:
            raise _unknown_plan(plan_id, lexicon)
        accepting = lexicon.plan_sets.accepting(plan_id)
        if highest >= len(accepting):
            accepting = np.concatenate((accepting, np.zeros(highest + 1 - len(accepting), dtype=np.bool_)))
        return plan or Plan(plan_id, plan_id, None, ()), accepting


@dataclass(frozen=True, slots=True, eq=False)
class _Outcome:
    found: _Found
    page: Page
    cards: Sequence[RenderedCard]
    entries: Sequence[bytes]
    plan: Plan | None
    tick: int

    @property
    def misplaced(self) -> bool:
        """Whether openings stand beside a row that they don't belong to."""
        return not all(map(belongs, self.entries, self.page.ids))

    def results(self) -> list[tuple[RenderedCard, float, bytes]]:
        """Each card with its squared chord, where it is of the row's version and belongs to where the row lies; and the
        JSON of its openings."""
        places, page = self.found.places, self.page
        return [
            (card, chord, rendered(entry, self.tick) if belongs(entry, row) else UNKNOWN)
            for card, version, chord, entry, row in zip(
                self.cards, page.versions, page.chords, self.entries, page.ids, strict=True
            )
            if card.version == version and (card.specialty, card.cell) in places
        ]


@lru_cache(maxsize=KEY_SETS)
def _places(
    generation: int, specialties: tuple[int, ...], covering: tuple[str, ...]
) -> tuple[frozenset[Place], tuple[bytes, ...]]:
    places = frozenset((specialty, cell) for specialty in specialties for cell in covering)
    return places, _keys(generation, places)


def _keys(generation: int, places: Iterable[Place]) -> tuple[bytes, ...]:
    return tuple(partition_key(generation, specialty, cell).encode() for specialty, cell in sorted(places))


def _card_keys(generation: Generation, page: Page) -> list[bytes]:
    prefix = card_prefix(generation.number)
    return [prefix + row.to_bytes(8, "little") for row in page.ids]


def _cursor(search: Search, page: Page) -> str | None:
    if not page.more:
        return None
    return cursors.encode(search.key, page.values[-1], page.ids[-1], (*search.shown, *page.ids))


def _unknown_plan(plan_id: str, lexicon: Lexicon) -> Unprocessable:
    nearest = closest(plan_id, lexicon.plans.neighbours(plan_id, NEIGHBOURS))
    remedy = f"Did you mean {' or '.join(nearest)}?" if nearest else "Look for the plan with /v1/suggest."
    return Unprocessable(errors=[FieldError(field="plan", detail="There is no such plan.", remedy=remedy)])
