"""One query over one area: filter, count, order, cut."""

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
from millrace_search.engine.openings import Bookable
from millrace_search.engine.ranking import Sort, by_rating, by_relevance, by_soonest
from millrace_search.engine.sphere import Circle, Floats, squared_chord, squared_chords

ID_BYTES: Final = 5
"""Bytes of an id that a cursor keeps of who was shown."""
WORTH_PARTING: Final = 100
"""Rows beyond the page from which on it pays to set the best apart before they are sorted."""
ID_MASK: Final = np.uint64((1 << 8 * ID_BYTES) - 1)


@dataclass(frozen=True, slots=True)
class After:
    """Where the page before ended, and who was shown (ids under `ID_MASK`)."""

    value: float
    id: int
    shown: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What is looked for. Filters that are None don't apply."""

    circle: Circle
    specialty: int | None = None
    """Ordinal of the only specialty in the area, where there is only one."""
    sort: Sort = "relevance"
    limit: int = 20
    accepting: Bools | None = None
    """By plan set number: whether the set holds the plan that is asked for. As long as any row's number demands."""
    names: Ids | None = None
    """Ids that match the name, sorted."""
    language: int | None = None
    """Ordinal."""
    sex: int | None = None
    """As in `layout.ROW`."""
    new_patients: int | None = None
    """As in `layout.ROW`."""
    min_rating: int | None = None
    """Thousandths."""
    after: After | None = None
    booking: bool = False
    """Whether only rows with an opening that is asked for match."""
    bookable: Bookable | None = None
    """Needed where these are to match only, or are sorted by."""


@dataclass(frozen=True, slots=True, eq=False)
class Facets:
    """Counts as they would be if that facet's own filter were changed and all others kept."""

    languages: list[float]
    """32, by ordinal."""
    sexes: list[float]
    """F, M, X."""
    new_patients: list[float]
    """Yes, no."""
    ratings: list[float]
    """At or above each of `area.RATING_STEPS`."""
    specialties: dict[int, int] = field(default_factory=dict)
    """By ordinal, those that occur."""


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """`ids`, `rows` (in the area), `versions`, `chords` (squared, to the centre), `values` (to order by) are parallel,
    in order."""

    ids: list[int]
    rows: list[int]
    versions: list[int]
    chords: list[float]
    values: list[float]
    total: int
    facets: Facets
    more: bool
    """Whether there is a page behind this one."""


def run(area: Area, query: Query) -> Page:
    """All matches in the area counted, the best `limit` behind `after` in order."""
    chords = squared_chords(area.vectors, query.circle.lat, query.circle.lon)
    rows = _candidates(area, query, chords).nonzero()[0]
    if query.booking and query.bookable is not None:
        rows = rows[query.bookable.any(rows)]
    facets, passing = _counted(area, query, rows)
    if passing is not None:
        rows = rows[passing]
    total = len(rows)
    order = _order(area, query, chords[rows], rows)
    if query.after is not None:
        behind = _behind(area.ids[rows], order, query.after)
        rows, order = rows[behind], order[behind]
    best = _best(area.ids[rows], order, query.limit)
    chosen = rows[best]
    ids, versions = area.keys[:2, chosen].tolist()
    return Page(
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
    if query.sort == "soonest" and query.bookable is not None:
        return by_soonest(chords, query.bookable.soonest(rows))
    return by_rating(chords, area.ratings[rows]) if query.sort == "rating" else by_relevance(chords, area.merits[rows])


def _candidates(area: Area, query: Query, chords: Floats) -> Bools:
    matches: Bools = chords <= squared_chord(query.circle.radius_mi)
    if query.accepting is not None:
        matches &= query.accepting[area.plan_sets]
    if query.names is not None:
        matches &= np.isin(area.ids, query.names)
    return matches


def _counted(area: Area, query: Query, rows: Ints) -> tuple[Facets, Bools | None]:
    """Facets of these rows, and which of them pass all filters; None where all do."""
    traits = area.traits[rows]
    each = bits(traits)
    language = 0 if query.language is None else language_trait(query.language)
    sex = 0 if query.sex is None else sex_trait(query.sex)
    accepting = 0 if query.new_patients is None else new_patients_trait(query.new_patients)
    rated = None if query.min_rating is None else area.ratings[rows] >= query.min_rating
    wanted = language | sex | accepting
    every = _passing(traits, wanted, rated)
    sums = _sums(each, every)
    facets = Facets(
        languages=(_sums(each, _passing(traits, sex | accepting, rated)) if language else sums)[LANGUAGE_BITS],
        sexes=(_sums(each, _passing(traits, language | accepting, rated)) if sex else sums)[SEX_BITS],
        new_patients=(_sums(each, _passing(traits, language | sex, rated)) if accepting else sums)[NEW_PATIENTS_BITS],
        ratings=(sums if rated is None else _sums(each, _passing(traits, wanted, None)))[RATING_BITS],
        specialties=_specialties(query, traits if every is None else traits[every]),
    )
    return facets, every


def _passing(traits: Ids, wanted: int, rated: Bools | None) -> Bools | None:
    """Which have all of the wanted traits and the rating; None where nothing is wanted."""
    if not wanted:
        return rated
    mask = np.uint64(wanted)
    have: Bools = traits & mask == mask
    return have if rated is None else have & rated


def _sums(each: npt.NDArray[np.uint8], passing: Bools | None) -> list[float]:
    """How many have each bit."""
    weights = np.ones(len(each)) if passing is None else passing.astype(np.float64)
    sums: list[float] = (weights @ each).tolist()
    return sums


def _specialties(query: Query, traits: Ids) -> dict[int, int]:
    if query.specialty is not None:
        return {query.specialty: len(traits)}
    counts = np.bincount(specialties(traits))
    return {ordinal: int(counts[ordinal]) for ordinal in counts.nonzero()[0].tolist()}


def _behind(ids: Ids, order: Floats, after: After) -> Bools:
    behind: Bools = (order > after.value) | ((order == after.value) & (ids > np.uint64(after.id)))
    if after.shown:
        behind &= ~np.isin(ids & ID_MASK, np.fromiter(after.shown, np.uint64, len(after.shown)))
    return behind


def _best(ids: Ids, order: Floats, limit: int) -> Ints:
    """Indices of the `limit` lowest, in order, ties by id."""
    if len(order) > limit + WORTH_PARTING:
        near: Ints = (order <= np.partition(order, limit - 1)[limit - 1]).nonzero()[0]
        best: Ints = near[np.lexsort((ids[near], order[near]))[:limit]]
        return best
    return np.lexsort((ids, order))[:limit]
