"""Search providers in the read model."""

import asyncio
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, chain
from operator import is_
from typing import Final, TypeVar, cast

import numpy as np
from cachetools import LRUCache

from millrace_feeds.clock import Clock
from millrace_readmodel.cached_generation import CachedGeneration, GenerationReplacedError, KeySpace
from millrace_readmodel.layout import ROW, card_prefix, openings_key_for, partition_key
from millrace_readmodel.near_cache import NearCache
from millrace_readmodel.plan_years import plan_year
from millrace_reference.text import find_closest
from millrace_search.engine import cursor as cursors
from millrace_search.engine.area import Area, Bools, Ids, build_area
from millrace_search.engine.cover import cover_circle
from millrace_search.engine.openings import AreaOpenings, OpeningsMatcher, build_openings, local_times
from millrace_search.engine.query import ResultPage, run_query
from millrace_search.find.names import find_partitions, match_names
from millrace_search.find.parameters import SearchRequest
from millrace_search.find.response import encode_response
from millrace_search.index.as_of import AsOfPoller
from millrace_search.index.cards import RenderedCard
from millrace_search.index.key_spaces import Entries, SearchKeySpaces
from millrace_search.index.lexicon import Lexicon, Lexicons
from millrace_search.index.openings import TICK_SECONDS, UNKNOWN, belongs_to_row, entry_at, locate_row, render_openings
from millrace_search.index.plans import Plan
from millrace_search.index.served import read_generation
from millrace_search.schemas import unknown_value

KEY_SETS: Final = 16_384
NEIGHBORS: Final = 25
"""Number of plan ids sorted before and after an unknown id that are considered as suggestions."""
V = TypeVar("V")

PartitionId = tuple[int, str]
"""Specialty ordinal and cell of a partition."""


@dataclass(slots=True)
class SearchStats:
    """Search counts since the process started."""

    searches: int = 0
    moved: int = 0
    """Attempts that ended because another generation of the read model was served meanwhile."""
    reread: int = 0
    """Pages that were read again because a card did not match its row."""
    left_out: int = 0
    """Results omitted because card and row still did not match after they were read again."""


@dataclass(frozen=True, slots=True, eq=False)
class _CachedArea:
    """An area and the cached values that it was built from; it is valid while the cache returns the same objects."""

    parts: Sequence[bytes]
    area: Area
    ends: Sequence[int]
    """For each part, the index in the area after its last row."""


@dataclass(frozen=True, slots=True, eq=False)
class _CachedOpenings:
    """Openings of an area and the cached values that they were built from."""

    area: Area
    columns: Sequence[bytes]
    openings: AreaOpenings


@dataclass(frozen=True, slots=True, eq=False)
class _Scope:
    """Partitions (strings of rows) that a search reads; sorted row ids that match its name (None without one)."""

    partitions: AbstractSet[PartitionId]
    keys: tuple[bytes, ...]
    cached: _CachedArea
    names: Ids | None = None

    @property
    def area(self) -> Area:
        return self.cached.area


class SearchService:
    """Searches providers in the read model. Raises `Unavailable` and, for an unknown plan or name, `Unprocessable`."""

    def __init__(
        self,
        near: NearCache,
        key_spaces: SearchKeySpaces,
        lexicons: Lexicons,
        as_of: AsOfPoller,
        clock: Clock,
        *,
        areas: int,
    ) -> None:
        """`areas` is the size in bytes of the cache for decoded rows, and of that for their openings."""
        self.now = clock.time
        self.stats = SearchStats()
        self._near = near
        self._key_spaces = key_spaces
        self._lexicons = lexicons
        self._as_of = as_of
        self._areas: LRUCache[tuple[bytes, ...], _CachedArea] = LRUCache(areas, lambda cached: cached.area.nbytes)
        self._openings: LRUCache[tuple[bytes, ...], _CachedOpenings] = LRUCache(
            areas, lambda cached: cached.openings.nbytes
        )

    async def search(self, search: SearchRequest) -> bytes:
        """Return the JSON of the response, built from a single generation."""
        self.stats.searches += 1

        async def read(generation: CachedGeneration) -> bytes:
            try:
                return await self._search_generation(generation, search)
            except GenerationReplacedError:
                self.stats.moved += 1
                raise

        return await read_generation(self._near, read)

    async def _search_generation(self, generation: CachedGeneration, search: SearchRequest) -> bytes:
        outcome = await self._run(generation, search)
        results = outcome.results()
        if len(results) < len(outcome.cards) or outcome.has_misplaced_entries:
            # Row and card are written separately, and their cached copies are invalidated separately.
            self.stats.reread += 1
            keys = outcome.scope.keys
            generation.evict(chain(keys, map(openings_key_for, keys), _card_keys(generation, outcome.page)))
            outcome = await self._run(generation, search)
            results = outcome.results()
        self.stats.left_out += len(outcome.cards) - len(results)
        return encode_response(
            results=results,
            total=outcome.page.total,
            facets=outcome.page.facets,
            plan=outcome.plan,
            as_of=self._as_of.text,
            cursor=_cursor(search, outcome.page),
        )

    async def _run(self, generation: CachedGeneration, search: SearchRequest) -> "_Outcome":
        scope = await self._resolve_scope(generation, search)
        plan: Plan | None = None
        accepting: Bools | None = None
        if search.plan is not None:
            plan, accepting = await self._find_plan(await self._lexicons.get(generation), search.plan, scope.area)
        query = search.query
        if accepting is not None or scope.names is not None:
            query = replace(query, accepting=accepting, names=scope.names)
        if query.requires_opening or query.sort == "soonest":
            openings = await self._load_openings(generation, scope)
            query = replace(
                query,
                openings_matcher=OpeningsMatcher(openings, search.openings_filter, local_times(int(self.now() // 60))),
            )
        page = run_query(scope.area, query)
        cards = await self._load_values(generation, self._key_spaces.cards, _card_keys(generation, page))
        entries = await self._load_entries(generation, scope, page)
        return _Outcome(scope, page, cards, entries, plan, int(self.now() // TICK_SECONDS))

    async def _resolve_scope(self, generation: CachedGeneration, search: SearchRequest) -> _Scope:
        circle = search.query.circle
        if not search.specialties:
            matches = await self._match_names(generation, search)
            partition_ids = frozenset(find_partitions(matches, circle))
            keys = _keys(generation.number, partition_ids)
            return _Scope(partition_ids, keys, await self._load_area(generation, keys), matches["id"].copy())
        partition_ids, keys = _partition_keys(generation.number, search.specialties, cover_circle(circle))
        if not search.name:
            return _Scope(partition_ids, keys, await self._load_area(generation, keys))
        matches, area = await asyncio.gather(self._match_names(generation, search), self._load_area(generation, keys))
        return _Scope(partition_ids, keys, area, matches["id"].copy())

    async def _match_names(self, generation: CachedGeneration, search: SearchRequest) -> Entries:
        lexicon = await self._lexicons.get(generation)
        return await match_names(generation, self._key_spaces, lexicon.vocabulary, search.name, search.query.circle)

    async def _load_openings(self, generation: CachedGeneration, scope: _Scope) -> AreaOpenings:
        """Return the openings of all rows of the area."""
        columns = await self._load_values(generation, self._key_spaces.openings, [*map(openings_key_for, scope.keys)])
        cached = self._openings.get(scope.keys)
        if cached is not None and cached.area is scope.area and all(map(is_, cached.columns, columns)):
            return cached.openings
        openings = build_openings(scope.area.ids, scope.cached.parts, columns)
        with suppress(ValueError):  # larger than the cache
            self._openings[scope.keys] = _CachedOpenings(scope.area, columns, openings)
        return openings

    async def _load_entries(self, generation: CachedGeneration, scope: _Scope, page: ResultPage) -> list[bytes]:
        """Return the openings entry of each row of the page."""
        positions = [locate_row(row, scope.cached.ends) for row in page.rows]
        parts = sorted({part for part, _ in positions})
        keys = [openings_key_for(scope.keys[part]) for part in parts]
        columns = dict(zip(parts, await self._load_values(generation, self._key_spaces.openings, keys), strict=True))
        return [entry_at(columns[part], index) for part, index in positions]

    async def _load_area(self, generation: CachedGeneration, keys: tuple[bytes, ...]) -> _CachedArea:
        parts = await self._load_values(generation, self._key_spaces.partitions, keys)
        cached = self._areas.get(keys)
        if cached is not None and all(map(is_, cached.parts, parts)):
            return cached
        ends = list(accumulate(len(part) // ROW.itemsize for part in parts))
        cached = _CachedArea(parts, build_area(b"".join(parts)), ends)
        with suppress(ValueError):  # larger than the cache
            self._areas[keys] = cached
        return cached

    async def _load_values(
        self, generation: CachedGeneration, key_space: KeySpace[V], keys: Sequence[bytes]
    ) -> Sequence[V]:
        cache = generation.cache(key_space)
        values = [cache.get(key) for key in keys]
        if None in values:
            loaded = await generation.load(key_space, keys)
            return [loaded[key] for key in keys]
        return cast(list[V], values)

    async def _find_plan(self, lexicon: Lexicon, plan_id: str, area: Area) -> tuple[Plan, Bools]:
        """Return the plan, and for each plan set number in the area whether the set contains the plan this year."""
        highest = area.highest_plan_set
        if highest >= len(lexicon.plan_sets):
            await lexicon.refresh_plan_sets()
        plan = lexicon.plans.get(plan_id)
        if plan is None and plan_id not in lexicon.plan_sets:
            neighbors = lexicon.plans.neighbors(plan_id, NEIGHBORS)
            raise unknown_value("plan", "Unknown plan.", find_closest(plan_id, neighbors))
        accepting = lexicon.plan_sets.accepting(plan_id, plan_year(self.now()))
        if highest >= len(accepting):
            accepting = np.concatenate((accepting, np.zeros(highest + 1 - len(accepting), dtype=np.bool_)))
        return plan or Plan(plan_id, plan_id, None, ()), accepting


@dataclass(frozen=True, slots=True, eq=False)
class _Outcome:
    scope: _Scope
    page: ResultPage
    cards: Sequence[RenderedCard]
    entries: Sequence[bytes]
    plan: Plan | None
    tick: int

    @property
    def has_misplaced_entries(self) -> bool:
        """Whether any entry belongs to another row."""
        return not all(map(belongs_to_row, self.entries, self.page.ids))

    def results(self) -> list[tuple[RenderedCard, float, bytes]]:
        """Return (card, squared chord, openings as JSON) for each card that matches its row's version and partition."""
        partition_ids, page = self.scope.partitions, self.page
        return [
            (card, chord, render_openings(entry, self.tick) if belongs_to_row(entry, row) else UNKNOWN)
            for card, version, chord, entry, row in zip(
                self.cards, page.versions, page.chords, self.entries, page.ids, strict=True
            )
            if card.version == version and (card.specialty, card.cell) in partition_ids
        ]


@lru_cache(maxsize=KEY_SETS)
def _partition_keys(
    generation: int, specialties: tuple[int, ...], covering: tuple[str, ...]
) -> tuple[frozenset[PartitionId], tuple[bytes, ...]]:
    partition_ids = frozenset((specialty, cell) for specialty in specialties for cell in covering)
    return partition_ids, _keys(generation, partition_ids)


def _keys(generation: int, partition_ids: Iterable[PartitionId]) -> tuple[bytes, ...]:
    return tuple(partition_key(generation, specialty, cell).encode() for specialty, cell in sorted(partition_ids))


def _card_keys(generation: CachedGeneration, page: ResultPage) -> list[bytes]:
    prefix = card_prefix(generation.number)
    return [prefix + row.to_bytes(8, "little") for row in page.ids]


def _cursor(search: SearchRequest, page: ResultPage) -> str | None:
    if not page.more:
        return None
    return cursors.encode(search.key, page.values[-1], page.ids[-1], (*search.shown, *page.ids))
