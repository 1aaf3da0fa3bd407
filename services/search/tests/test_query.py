"""The query engine compared with a slow, simple implementation."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace_search.engine.area import EMPTY_AREA, build_area
from millrace_search.engine.query import ID_MASK, Facets, PagePosition, Query, ResultPage, run_query
from millrace_search.engine.sphere import Circle, miles, squared_chord

from . import oracle
from .oracle import Row, pack_rows

PLAN_SETS = 4


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    ids = draw(st.lists(st.integers(1, 2**64 - 1), unique=True, max_size=30))
    return [
        Row(
            id=each,
            lat=40 + draw(st.integers(-30, 30)) / 100,
            lon=-74 + draw(st.integers(-30, 30)) / 100,
            languages=draw(st.integers(0, 7)),
            plan_set=draw(st.integers(0, PLAN_SETS - 1)),
            specialty=draw(st.integers(1, 3)),
            rating=(rating := draw(st.sampled_from((0, 1000, 2999, 3000, 4200, 4500, 5000)))),
            reviews=draw(st.sampled_from((1, 50, 65_535))) if rating else 0,
            sex=draw(st.integers(0, 3)),
            new_patients=draw(st.integers(0, 2)),
        )
        for each in ids
    ]


@st.composite
def queries(draw: st.DrawFn) -> Query:
    plan = draw(st.none() | st.lists(st.booleans(), min_size=PLAN_SETS, max_size=PLAN_SETS))
    return Query(
        # Not on the grid of the rows: rounding decides for rows on the boundary.
        circle=Circle(40.003, -74.002, draw(st.sampled_from((0.5, 3.3, 9.9, 100.0)))),
        sort=draw(st.sampled_from(("relevance", "distance", "rating"))),
        limit=draw(st.integers(1, 8)),
        accepting=None if plan is None else np.array(plan),
        language=draw(st.none() | st.integers(0, 3)),
        sex=draw(st.none() | st.integers(1, 3)),
        new_patients=draw(st.none() | st.integers(1, 2)),
        min_rating=draw(st.none() | st.sampled_from((1000, 3000, 4100, 4500))),
    )


def to_counters(facets: Facets) -> dict[str, Counter[Any]]:
    """Convert the engine's facets to the oracle's format."""
    return {
        "languages": Counter({bit: int(n) for bit, n in enumerate(facets.languages) if n}),
        "sexes": Counter({sex: int(n) for sex, n in zip((1, 2, 3), facets.sexes, strict=True) if n}),
        "new_patients": Counter({code: int(n) for code, n in zip((2, 1), facets.new_patients, strict=True) if n}),
        "ratings": Counter({s: int(n) for s, n in zip((3000, 3500, 4000, 4500), facets.ratings, strict=True) if n}),
        "specialties": Counter(facets.specialties),
    }


@settings(max_examples=300)
@given(rows(), queries(), st.integers(0, 30), st.booleans())
def test_query_matches_the_oracle(table: list[Row], query: Query, cut: int, by_name: bool) -> None:
    if by_name:
        query = replace(query, names=np.array(sorted(row.id for row in table[::2]), dtype=np.uint64))
    area = build_area(pack_rows(table[:cut]) + pack_rows(table[cut:]))
    page = run_query(area, query)
    expected = oracle.find_matches(table, query)
    by_id = {row.id: row for row in table}
    assert page.total == len(expected)
    assert to_counters(page.facets) == oracle.count_facets(table, query)
    assert len(page.ids) == min(query.limit, len(expected))
    assert page.more == (len(expected) > query.limit)
    assert page.values == sorted(page.values)
    wanted = sorted(oracle.sort_value(row, query) for row in expected)[: query.limit]
    assert page.values == pytest.approx(wanted, abs=1e-9)
    assert page.values == pytest.approx([oracle.sort_value(by_id[each], query) for each in page.ids], abs=1e-9)
    assert [miles(chord) for chord in page.chords] == pytest.approx(
        [oracle.distance(by_id[each], query) for each in page.ids], abs=1e-4
    )


def read_pages(area_bytes: list[bytes], query: Query) -> list[ResultPage]:
    """Read all pages; the n-th page from the n-th state of the index (encoded rows), or the last state."""
    found: list[ResultPage] = []
    shown: list[int] = []
    while not found or found[-1].more:
        area = build_area(area_bytes[min(len(found), len(area_bytes) - 1)])
        page = run_query(area, query)
        found.append(page)
        shown += [each & int(ID_MASK) for each in page.ids]
        if page.ids:
            query = replace(query, after=PagePosition(page.values[-1], page.ids[-1], frozenset(shown)))
    return found


@given(rows(), queries(), st.randoms(use_true_random=False))
def test_pages_contain_each_match_once_in_any_row_order(table: list[Row], query: Query, chance: Any) -> None:
    shuffled = [chance.sample(table, len(table)) for _ in range(3)]
    found = [each for page in read_pages([pack_rows(order) for order in shuffled], query) for each in page.ids]
    assert len(found) == len(set(found))
    assert set(found) == {row.id for row in oracle.find_matches(table, query)}


@given(rows(), queries(), st.randoms(use_true_random=False))
def test_changes_between_pages_neither_repeat_results_nor_skip_unchanged_ones(
    table: list[Row], query: Query, chance: Any
) -> None:
    changed = {row.id for row in table if chance.random() < 0.4}

    def change(row: Row) -> Row:
        return replace(
            row, rating=chance.choice((0, 3000, 5000)), lat=row.lat + chance.choice((-0.05, 0.05)), version=2
        )

    states = [table]
    for _ in range(6):
        states.append([change(row) if row.id in changed else row for row in states[-1]])
    found = [each for page in read_pages([pack_rows(state) for state in states], query) for each in page.ids]
    assert len(found) == len(set(found))
    assert {row.id for row in oracle.find_matches(table, query)} - changed <= set(found)


def test_ties_are_ordered_by_id() -> None:
    table = [Row(id=each, lat=40.0, lon=-74.0) for each in range(100, 0, -1)]
    page = run_query(build_area(pack_rows(table)), Query(circle=Circle(40.0, -74.0, 1), limit=5, sort="distance"))
    assert page.ids == [1, 2, 3, 4, 5]
    assert page.more


def test_empty_area_has_no_results() -> None:
    page = run_query(EMPTY_AREA, Query(circle=Circle(40.0, -74.0, 10), min_rating=4000, sex=1))
    assert (page.ids, page.total, page.more, page.facets.specialties) == ([], 0, False, {})


def test_incomplete_rows_are_rejected() -> None:
    with pytest.raises(ValueError, match="buffer size"):
        build_area(b"\0" * 41)


@pytest.mark.parametrize("distance", [0.0, 0.01, 10.0, 100.0])
def test_chords_and_miles_are_inverse(distance: float) -> None:
    assert miles(squared_chord(distance)) == pytest.approx(distance, abs=1e-6)
