"""Matching of openings, compared with a simple implementation, and their rendering as JSON."""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace_readmodel import zones
from millrace_readmodel.layout import DAYS, ROW
from millrace_readmodel.openings import EMPTY_ENTRY, WeekSummary, build_entry, part_of
from millrace_search.engine.openings import (
    ALL_KINDS,
    ALL_PARTS,
    NEVER,
    OpeningsFilter,
    OpeningsMatcher,
    build_openings,
    local_times,
)
from millrace_search.index.openings import TICK_SECONDS, belongs_to_row, entry_at, locate_row, render_openings

from .factories import make_card, make_openings_entry

NEW_YORK, CHICAGO, HONOLULU = map(zones.zone_number, ("America/New_York", "America/Chicago", "Pacific/Honolulu"))
MIDNIGHT = datetime(2026, 11, 24, 5, tzinfo=UTC)
"""Midnight in New York; further west it is still the 23rd."""
TODAY = zones.day_number(date(2026, 11, 24))


@dataclass(frozen=True)
class Row:
    """A provider-location whose openings are (day, part of the day, visit kind)."""

    zone: int
    since: int
    openings: frozenset[tuple[int, int, int]] = field(default_factory=frozenset)

    def entry(self, number: int) -> bytes:
        weeks: dict[int, list[int]] = {}
        for day, part, kind in self.openings:
            bits = weeks.setdefault(zones.week_of_day(day), [0] * 7)
            bits[day - zones.first_day_of_week(zones.week_of_day(day))] |= 1 << 4 * part + kind
        return build_entry(number, self.zone, self.since, [WeekSummary(week, 1, bits) for week, bits in weeks.items()])


def find_matching(row: Row, filters: OpeningsFilter, moment: datetime) -> list[int]:
    """Return `3 * day + part of the day` of each opening that the filters request, sorted."""
    now = zones.local_time(moment.timestamp(), row.zone)
    today, current = zones.day_number(now), part_of(60 * now.hour + now.minute)
    return sorted(
        3 * day + part
        for day, part, kind in row.openings
        if row.since <= day < row.since + DAYS
        and (day, part) >= (today, current)
        and (filters.first is None or day >= filters.first)
        and (filters.last is None or day <= filters.last)
        and (filters.within is None or day < today + filters.within)
        and part in filters.parts
        and kind in filters.visit_kinds
    )


days = st.integers(TODAY - 70, TODAY + 130) | st.integers(TODAY - 2, TODAY + 5)
opening_sets = st.frozensets(st.tuples(days, st.integers(0, 2), st.integers(0, 3)), max_size=12)
row_lists = st.lists(
    st.builds(
        Row,
        zone=st.sampled_from((NEW_YORK, CHICAGO, HONOLULU)),
        since=st.integers(TODAY - 66, TODAY + 1),
        openings=opening_sets,
    )
    | st.none(),
    max_size=12,
)
filters = st.builds(
    OpeningsFilter,
    first=st.none() | st.integers(TODAY - 3, TODAY + 70),
    last=st.none() | st.integers(TODAY - 3, TODAY + 70),
    within=st.none() | st.integers(1, 60),
    parts=st.sampled_from(((0,), (1,), (2,), ALL_PARTS)),
    visit_kinds=st.sampled_from(((0,), (1,), (0, 1), (2, 3), (1, 3), ALL_KINDS)),
)
moments = st.sampled_from([MIDNIGHT + timedelta(hours=hours) for hours in (-9, -1, 0, 7, 12, 13, 17, 23)])


@settings(max_examples=400)
@given(row_lists, filters, moments, st.integers(0, 12))
def test_rows_match_and_sort_as_the_oracle(
    table: list[Row | None], filters: OpeningsFilter, moment: datetime, cut: int
) -> None:
    """The rows are in two partitions; None stands for a row without openings."""
    ids = np.arange(1, len(table) + 1, dtype=np.uint64)
    entries = [row.entry(number) if row else EMPTY_ENTRY for number, row in enumerate(table, 1)]
    parts = [bytes(ROW.itemsize * len(each)) for each in (table[:cut], table[cut:])]
    columns = [b"".join(entries[:cut]), b"".join(entries[cut:]).rstrip(b"\0") and b"".join(entries[cut:])]
    openings = build_openings(ids, parts, columns)
    assert not openings.has_misplaced_entries
    matcher = OpeningsMatcher(openings, filters, local_times(int(moment.timestamp() // 60)))
    positions = np.arange(len(table))[::-1]
    expected = [find_matching(row, filters, moment) if row else [] for row in reversed(table)]
    assert matcher.has_opening(positions).tolist() == [bool(each) for each in expected]
    assert matcher.soonest(positions).tolist() == [each[0] if each else NEVER for each in expected]


def test_misplaced_openings_are_ignored() -> None:
    row = Row(NEW_YORK, TODAY, frozenset({(TODAY + 1, 0, 0)}))
    openings = build_openings(np.array([7, 9], np.uint64), [bytes(2 * ROW.itemsize)], [row.entry(7) + row.entry(8)])
    assert openings.has_misplaced_entries
    matcher = OpeningsMatcher(openings, OpeningsFilter(), local_times(int(MIDNIGHT.timestamp() // 60)))
    assert matcher.has_opening(np.arange(2)).tolist() == [True, False]
    assert [
        belongs_to_row(row.entry(8), 8),
        belongs_to_row(row.entry(8), 9),
        belongs_to_row(b"", 9),
        belongs_to_row(EMPTY_ENTRY, 9),
    ] == [True, False, True, True]


def render(entry: bytes, moment: datetime) -> Any:
    return json.loads(render_openings(entry, int(moment.timestamp() // TICK_SECONDS)))


def test_rendering_has_14_days_and_first_times_by_part() -> None:
    entry = make_openings_entry(
        make_card(1),
        "2026-11-24T09:00:00-05:00",
        "2026-11-24T09:20:00-05:00",
        "2026-11-24T13:00:00-05:00",
        "2026-11-25T18:05:00-05:00",
        "2026-12-07T08:00:00-05:00",
        "2026-12-08T08:00:00-05:00",
        today=date(2026, 11, 24),
    )
    assert render(entry, MIDNIGHT) == {
        "from": "2026-11-24",
        "counts": [3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        "first": [
            "2026-11-24T09:00:00-05:00",
            "2026-11-24T13:00:00-05:00",
            "2026-11-25T18:05:00-05:00",
            "2026-12-07T08:00:00-05:00",
        ],
    }
    assert render(entry, MIDNIGHT + timedelta(hours=10))["first"][0] == "2026-11-24T13:00:00-05:00"


def test_old_entry_renders_the_days_it_covers() -> None:
    entry = make_openings_entry(make_card(1), "2026-12-20T09:00:00-05:00", today=date(2026, 11, 24))
    later = render(entry, MIDNIGHT + timedelta(days=20))
    assert later["counts"] == [0, 0, 0, 0, *[None] * 10]
    assert later["first"] == ["2026-12-20T09:00:00-05:00"]
    assert render(entry, MIDNIGHT + timedelta(days=64)) is None
    yesterday = render(entry, MIDNIGHT - timedelta(hours=1))
    assert (yesterday["from"], yesterday["counts"][:2]) == ("2026-11-23", [None, 0])


def test_times_have_the_offset_of_their_day() -> None:
    card = make_card(1, time_zone="America/Chicago")
    starts = ("2026-10-30T09:00:00-05:00", "2026-11-02T09:00:00-06:00")
    entry = make_openings_entry(card, *starts, today=date(2026, 10, 29))
    assert render(entry, datetime(2026, 10, 29, 18, tzinfo=UTC))["first"] == list(starts)


@pytest.mark.parametrize("entry", [b"", EMPTY_ENTRY])
def test_unknown_openings_render_as_null(entry: bytes) -> None:
    assert render(entry, MIDNIGHT) is None


def test_row_is_located_with_its_entry() -> None:
    ends = [2, 2, 5]
    assert [locate_row(row, ends) for row in range(5)] == [(0, 0), (0, 1), (2, 0), (2, 1), (2, 2)]
    column = Row(NEW_YORK, TODAY).entry(1) + Row(NEW_YORK, TODAY).entry(2)
    assert entry_at(column, 1) == Row(NEW_YORK, TODAY).entry(2)
    assert entry_at(column, 2) == b""
