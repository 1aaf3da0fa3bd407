"""Run a query on the decoded rows of an area: filter, count facets, order, and cut a page."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from millrace_search.engine.area import (
    LANGUAGE_BITS,
    NEW_PATIENTS_BITS,
    RATING_BITS,
    SEX_BITS,
    Area,
    Bools,
    Ids,
    Ints,
    bits,
    language_trait,
    new_patients_trait,
    sex_trait,
    specialties,
)
from millrace_search.engine.openings import OpeningsMatcher
from millrace_search.engine.ranking import Sort, by_rating, by_relevance, by_soonest
from millrace_search.engine.sphere import Circle, Floats, squared_chord, squared_chords

ID_BYTES: Final = 5
"""Cursors contain this many low bytes of the ids of results."""
PRESELECT_THRESHOLD: Final = 100
"""Number of rows beyond the page from which selecting the page's rows before sorting is faster."""
ID_MASK: Final = np.uint64((1 << 8 * ID_BYTES) - 1)


@dataclass(frozen=True, slots=True)
class PagePosition:
    """Sort value and id of the last result of the previous page, and the ids shown so far (masked by `ID_MASK`)."""

    value: float
    id: int
    shown: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """Conditions and order of a search. Filters that are None don't apply."""

    circle: Circle
    specialty: int | None = None
    """Ordinal of the specialty, if the area contains only one."""
    sort: Sort = "relevance"
    limit: int = 20
    accepting: Bools | None = None
    """For each plan set number, whether the set contains the requested plan. Covers the plan sets of all rows."""
    names: Ids | None = None
    """Sorted ids of the rows that match the name."""
    language: int | None = None
    """Ordinal of the requested language."""
    sex: int | None = None
    """Requested sex: 1 F, 2 M, 3 X."""
    new_patients: int | None = None
    """Requested value: 1 not accepting new patients, 2 accepting."""
    min_rating: int | None = None
    """Lowest rating that matches, in thousandths of a star."""
    after: PagePosition | None = None
    requires_opening: bool = False
    """Whether rows need a requested opening to match."""
    openings_matcher: OpeningsMatcher | None = None
    """Needed if `requires_opening`, or to sort by `soonest`."""


@dataclass(frozen=True, slots=True, eq=False)
class Facets:
    """Counts of matches per value of each filter, with all other filters applied."""

    languages: list[float]
    """32 counts, by ordinal of the language."""
    sexes: list[float]
    """Counts of F, M and X."""
    new_patients: list[float]
    """Counts of accepting and not accepting new patients."""
    ratings: list[float]
    """Counts of ratings at or above each of `area.RATING_STEPS`."""
    specialties: dict[int, int] = field(default_factory=dict)
    """Counts by ordinal of the specialty, without zeros."""


@dataclass(frozen=True, slots=True, eq=False)
class ResultPage:
    """A page of results as parallel lists in display order, with facets and total.

    `rows` are indices in the area, `chords` squared chords to the circle's center, `values` sort values (lower first).
    """

    ids: list[int]
    rows: list[int]
    versions: list[int]
    chords: list[float]
    values: list[float]
    total: int
    facets: Facets
    more: bool
    """Whether there is another page."""


def run_query(area: Area, query: Query) -> ResultPage:
    """Return the first `limit` matches after the query's position, in order, with facets and total of all matches."""
    chords = squared_chords(area.vectors, query.circle.lat, query.circle.lon)
    rows = _candidates(area, query, chords).nonzero()[0]
    if query.requires_opening and query.openings_matcher is not None:
        rows = rows[query.openings_matcher.has_opening(rows)]
    facets, passing = _count_facets(area, query, rows)
    if passing is not None:
        rows = rows[passing]
    total = len(rows)
    order = _order(area, query, chords[rows], rows)
    if query.after is not None:
        behind = _is_after(area.ids[rows], order, query.after)
        rows, order = rows[behind], order[behind]
    best = _best_rows(area.ids[rows], order, query.limit)
    chosen = rows[best]
    ids, versions = area.keys[:2, chosen].tolist()
    return ResultPage(
        ids=ids,
        rows=chosen.tolist(),
        versions=versions,
        chords=chords[chosen].tolist(),
        values=order[best].tolist(),
        total=total,
        facets=facets,
        more=len(rows) > len(best),
    )


def _order(area: Area, query: Query, chords: Floats, rows: Ints) -> Floats:
    if query.sort == "distance":
        return chords
    if query.sort == "soonest" and query.openings_matcher is not None:
        return by_soonest(chords, query.openings_matcher.soonest(rows))
    return by_rating(chords, area.ratings[rows]) if query.sort == "rating" else by_relevance(chords, area.merits[rows])


def _candidates(area: Area, query: Query, chords: Floats) -> Bools:
    matches: Bools = chords <= squared_chord(query.circle.radius_mi)
    if query.accepting is not None:
        matches &= query.accepting[area.plan_sets]
    if query.names is not None:
        matches &= np.isin(area.ids, query.names)
    return matches


def _count_facets(area: Area, query: Query, rows: Ints) -> tuple[Facets, Bools | None]:
    """Return the facets of these rows, and for each row whether it passes all filters (None: all pass)."""
    traits = area.traits[rows]
    each = bits(traits)
    language = 0 if query.language is None else language_trait(query.language)
    sex = 0 if query.sex is None else sex_trait(query.sex)
    accepting = 0 if query.new_patients is None else new_patients_trait(query.new_patients)
    rated = None if query.min_rating is None else area.ratings[rows] >= query.min_rating
    requested = language | sex | accepting
    every = _matching_all(traits, requested, rated)
    sums = _sums(each, every)
    facets = Facets(
        languages=(_sums(each, _matching_all(traits, sex | accepting, rated)) if language else sums)[LANGUAGE_BITS],
        sexes=(_sums(each, _matching_all(traits, language | accepting, rated)) if sex else sums)[SEX_BITS],
        new_patients=(_sums(each, _matching_all(traits, language | sex, rated)) if accepting else sums)[
            NEW_PATIENTS_BITS
        ],
        ratings=(sums if rated is None else _sums(each, _matching_all(traits, requested, None)))[RATING_BITS],
        specialties=_specialties(query, traits if every is None else traits[every]),
    )
    return facets, every


def _matching_all(traits: Ids, requested: int, rated: Bools | None) -> Bools | None:
    """Return for each row whether it has all requested traits and the rating; None without such filters."""
    if not requested:
        return rated
    mask = np.uint64(requested)
    have: Bools = traits & mask == mask
    return have if rated is None else have & rated


def _sums(each: npt.NDArray[np.uint8], passing: Bools | None) -> list[float]:
    """Return the number of rows in which each bit is set."""
    weights = np.ones(len(each)) if passing is None else passing.astype(np.float64)
    sums: list[float] = (weights @ each).tolist()
    return sums


def _specialties(query: Query, traits: Ids) -> dict[int, int]:
    if query.specialty is not None:
        return {query.specialty: len(traits)}
    counts = np.bincount(specialties(traits))
    return {ordinal: int(counts[ordinal]) for ordinal in counts.nonzero()[0].tolist()}


def _is_after(ids: Ids, order: Floats, after: PagePosition) -> Bools:
    behind: Bools = (order > after.value) | ((order == after.value) & (ids > np.uint64(after.id)))
    if after.shown:
        behind &= ~np.isin(ids & ID_MASK, np.fromiter(after.shown, np.uint64, len(after.shown)))
    return behind


def _best_rows(ids: Ids, order: Floats, limit: int) -> Ints:
    """Return the indices of the `limit` lowest sort values in order; equal values are ordered by id."""
    if len(order) > limit + PRESELECT_THRESHOLD:
        near: Ints = (order <= np.partition(order, limit - 1)[limit - 1]).nonzero()[0]
        best: Ints = near[np.lexsort((ids[near], order[near]))[:limit]]
        return best
    return np.lexsort((ids, order))[:limit]
