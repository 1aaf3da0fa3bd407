"""The engine's openings against an oracle, and how they are shown."""

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

from .factories import card, openings

NEW_YORK, CHICAGO, HONOLULU = map(zones.zone_number, ("America/New_York", "America/Chicago", "Pacific/Honolulu"))
MIDNIGHT = datetime(2026, 11, 24, 5, tzinfo=UTC)
"""In New York; elsewhere it is still the 23rd."""
TODAY = zones.day_number(date(2026, 11, 24))


@dataclass(frozen=True)
class Row:
    """A row whose openings are (day, part, kind)."""

    zone: int
    since: int
    openings: frozenset[tuple[int, int, int]] = field(default_factory=frozenset)

    def entry(self, number: int) -> bytes:
        weeks: dict[int, list[int]] = {}
        for day, part, kind in self.openings:
            bits = weeks.setdefault(zones.week_of_day(day), [0] * 7)
            bits[day - zones.first_day_of_week(zones.week_of_day(day))] |= 1 << 4 * part + kind
        return build_entry(number, self.zone, self.since, [WeekSummary(week, 1, bits) for week, bits in weeks.items()])


def matching(row: Row, wanted: OpeningsFilter, moment: datetime) -> list[int]:
    """3 * day + part of all openings that are asked for."""
    now = zones.local_time(moment.timestamp(), row.zone)
    today, current = zones.day_number(now), part_of(60 * now.hour + now.minute)
    return sorted(
        3 * day + part
        for day, part, kind in row.openings
        if row.since <= day < row.since + DAYS
        and (day, part) >= (today, current)
        and (wanted.first is None or day >= wanted.first)
        and (wanted.last is None or day <= wanted.last)
        and (wanted.within is None or day < today + wanted.within)
        and part in wanted.parts
        and kind in wanted.kinds
    )


days = st.integers(TODAY - 70, TODAY + 130) | st.integers(TODAY - 2, TODAY + 5)
found = st.frozensets(st.tuples(days, st.integers(0, 2), st.integers(0, 3)), max_size=12)
rows = st.lists(
    st.builds(
        Row,
        zone=st.sampled_from((NEW_YORK, CHICAGO, HONOLULU)),
        since=st.integers(TODAY - 66, TODAY + 1),
        openings=found,
    )
    | st.none(),
    max_size=12,
)
wanted = st.builds(
    OpeningsFilter,
    first=st.none() | st.integers(TODAY - 3, TODAY + 70),
    last=st.none() | st.integers(TODAY - 3, TODAY + 70),
    within=st.none() | st.integers(1, 60),
    parts=st.sampled_from(((0,), (1,), (2,), ALL_PARTS)),
    kinds=st.sampled_from(((0,), (1,), (0, 1), (2, 3), (1, 3), ALL_KINDS)),
)
moments = st.sampled_from([MIDNIGHT + timedelta(hours=hours) for hours in (-9, -1, 0, 7, 12, 13, 17, 23)])


@settings(max_examples=400)
@given(rows, wanted, moments, st.integers(0, 12))
def test_rows_are_found_by_their_openings_and_ordered_by_the_soonest(
    made: list[Row | None], wanted: OpeningsFilter, moment: datetime, cut: int
) -> None:
    """In two partitions, of which a row that is None has no openings."""
    ids = np.arange(1, len(made) + 1, dtype=np.uint64)
    entries = [row.entry(number) if row else EMPTY_ENTRY for number, row in enumerate(made, 1)]
    parts = [bytes(ROW.itemsize * len(each)) for each in (made[:cut], made[cut:])]
    columns = [b"".join(entries[:cut]), b"".join(entries[cut:]).rstrip(b"\0") and b"".join(entries[cut:])]
    openings = build_openings(ids, parts, columns)
    assert not openings.has_misplaced_entries
    bookable = OpeningsMatcher(openings, wanted, local_times(int(moment.timestamp() // 60)))
    asked = np.arange(len(made))[::-1]
    expected = [matching(row, wanted, moment) if row else [] for row in reversed(made)]
    assert bookable.any(asked).tolist() == [bool(each) for each in expected]
    assert bookable.soonest(asked).tolist() == [each[0] if each else NEVER for each in expected]


def test_openings_beside_the_wrong_row_say_nothing() -> None:
    row = Row(NEW_YORK, TODAY, frozenset({(TODAY + 1, 0, 0)}))
    openings = build_openings(np.array([7, 9], np.uint64), [bytes(2 * ROW.itemsize)], [row.entry(7) + row.entry(8)])
    assert openings.has_misplaced_entries
    bookable = OpeningsMatcher(openings, OpeningsFilter(), local_times(int(MIDNIGHT.timestamp() // 60)))
    assert bookable.any(np.arange(2)).tolist() == [True, False]
    assert [
        belongs_to_row(row.entry(8), 8),
        belongs_to_row(row.entry(8), 9),
        belongs_to_row(b"", 9),
        belongs_to_row(EMPTY_ENTRY, 9),
    ] == [
        True,
        False,
        True,
        True,
    ]


def shown(entry: bytes, moment: datetime) -> Any:
    return json.loads(render_openings(entry, int(moment.timestamp() // TICK_SECONDS)))


def test_a_card_shows_the_next_14_days_and_the_first_time_of_each_part() -> None:
    entry = openings(
        card(1),
        "2026-11-24T09:00:00-05:00",
        "2026-11-24T09:20:00-05:00",
        "2026-11-24T13:00:00-05:00",
        "2026-11-25T18:05:00-05:00",
        "2026-12-07T08:00:00-05:00",
        "2026-12-08T08:00:00-05:00",
        today=date(2026, 11, 24),
    )
    assert shown(entry, MIDNIGHT) == {
        "from": "2026-11-24",
        "counts": [3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        "first": [
            "2026-11-24T09:00:00-05:00",
            "2026-11-24T13:00:00-05:00",
            "2026-11-25T18:05:00-05:00",
            "2026-12-07T08:00:00-05:00",
        ],
    }
    assert shown(entry, MIDNIGHT + timedelta(hours=10))["first"][0] == "2026-11-24T13:00:00-05:00"


def test_an_old_entry_says_of_the_present_what_it_knows() -> None:
    entry = openings(card(1), "2026-12-20T09:00:00-05:00", today=date(2026, 11, 24))
    later = shown(entry, MIDNIGHT + timedelta(days=20))
    assert later["counts"] == [0, 0, 0, 0, *[None] * 10]
    assert later["first"] == ["2026-12-20T09:00:00-05:00"]
    assert shown(entry, MIDNIGHT + timedelta(days=64)) is None
    yesterday = shown(entry, MIDNIGHT - timedelta(hours=1))
    assert (yesterday["from"], yesterday["counts"][:2]) == ("2026-11-23", [None, 0])


def test_times_carry_the_offset_of_their_own_day() -> None:
    made = card(1, time_zone="America/Chicago")
    starts = ("2026-10-30T09:00:00-05:00", "2026-11-02T09:00:00-06:00")
    entry = openings(made, *starts, today=date(2026, 10, 29))
    assert shown(entry, datetime(2026, 10, 29, 18, tzinfo=UTC))["first"] == list(starts)


@pytest.mark.parametrize("entry", [b"", EMPTY_ENTRY])
def test_where_nothing_is_known_nothing_is_shown(entry: bytes) -> None:
    assert shown(entry, MIDNIGHT) is None


def test_a_row_finds_its_entry() -> None:
    ends = [2, 2, 5]
    assert [locate_row(row, ends) for row in range(5)] == [(0, 0), (0, 1), (2, 0), (2, 1), (2, 2)]
    column = Row(NEW_YORK, TODAY).entry(1) + Row(NEW_YORK, TODAY).entry(2)
    assert entry_at(column, 1) == Row(NEW_YORK, TODAY).entry(2)
    assert entry_at(column, 2) == b""
