"""Encoded openings compared with a simple computation on plain openings."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace_contracts.entities import Availability, BookableVisit, Opening
from millrace_contracts.envelope import ContractError
from millrace_readmodel import zones
from millrace_readmodel.layout import COUNTED_DAYS, DAYS, FIRST_DAYS, FIRSTS, MAX_COUNT, OPENINGS
from millrace_readmodel.openings import (
    EMPTY_ENTRY,
    Entry,
    WeekItem,
    WeekSummary,
    build_entry,
    merge_weeks,
    part_of,
    summarize_week,
    unpack_entry,
)
from millrace_reference.places import all_places

TODAY = zones.day_number(date(2026, 11, 21))
ROW = 0xABCD_1234_5678_9ABC
ZONES = tuple(
    map(zones.zone_number, ("America/New_York", "America/Phoenix", "Pacific/Honolulu", "America/Los_Angeles"))
)
MODES: tuple[tuple[str, ...], ...] = (("in_person",), ("video",), ("in_person", "video"))
PATIENTS: tuple[tuple[str, ...], ...] = (("existing",), ("new",), ("existing", "new"))


@dataclass(frozen=True)
class PlainOpening:
    """An opening in the local time of its location."""

    day: int
    minute: int
    modes: tuple[Any, ...] = ("in_person",)
    patients: tuple[Any, ...] = ("existing", "new")

    def start(self, zone: int) -> str:
        midnight = datetime.combine(zones.date_from_day(self.day), datetime.min.time())
        return (midnight + timedelta(minutes=self.minute)).replace(tzinfo=ZoneInfo(zones.TIME_ZONES[zone])).isoformat()

    @property
    def week(self) -> int:
        return zones.week_of_day(self.day)


def make_week(week: int, version: int, openings: list[PlainOpening], zone: int) -> WeekSummary:
    ordered = sorted((each for each in openings if each.week == week), key=lambda each: (each.day, each.minute))
    made = [Opening(start=each.start(zone), minutes=20, modes=each.modes, patients=each.patients) for each in ordered]
    return summarize_openings(week, version, made, zone)


def summarize_openings(week: int, version: int, openings: list[Opening], zone: int) -> WeekSummary:
    name = zones.TIME_ZONES[zone]
    made = Availability(provider_location_id="x", npi="1", week="-", time_zone=name, openings=tuple(openings))
    return summarize_week(WeekItem("1", "x", week, version, msgspec.json.encode(made).decode()), zone)


def make_entry(openings: list[PlainOpening], zone: int, since: int = TODAY, version: int = 1) -> bytes:
    weeks = sorted({each.week for each in openings})
    return build_entry(ROW, zone, since, [make_week(week, version, openings, zone) for week in weeks])


def decode(value: bytes) -> dict[str, Any]:
    """Decode an openings entry: (day, plane) pairs with openings, counts by day, and first times."""
    found = unpack_entry(value)
    days = range(found.since, found.since + DAYS)
    return {
        "planes": {(day, plane) for day in days for plane in range(12) if found.planes[plane] >> day % DAYS & 1},
        "counts": [
            found.counts >> 5 * (day % COUNTED_DAYS) & 31 for day in range(found.since, found.since + COUNTED_DAYS)
        ],
        "firsts": found.firsts,
    }


def expected_content(openings: list[PlainOpening], since: int) -> dict[str, Any]:
    """Compute from plain openings what `decode` must return for their entry."""
    planes = {
        (each.day, 4 * part_of(each.minute) + 2 * (mode == "video") + (patient == "new"))
        for each in openings
        if since <= each.day < since + DAYS
        for mode in each.modes
        for patient in each.patients
    }
    counts = [sum(each.day == day for each in openings) for day in range(since, since + COUNTED_DAYS)]
    firsts: dict[tuple[int, int], tuple[int, int]] = {}
    for each in openings:
        if since <= each.day < since + FIRST_DAYS:
            key = each.day, part_of(each.minute)
            firsts[key] = min(firsts.get(key, (each.day, each.minute)), (each.day, each.minute))
    return {
        "planes": planes,
        "counts": [min(count, MAX_COUNT) for count in counts],
        "firsts": sorted(firsts.values())[:FIRSTS],
    }


# From 3 o'clock on no clock of these zones shows a time twice or never.
plain = st.builds(
    PlainOpening,
    day=st.integers(TODAY - 10, TODAY + 80) | st.integers(TODAY, TODAY + 6),
    minute=st.integers(180, 1439) | st.sampled_from((719, 720, 1019, 1020)),
    modes=st.sampled_from(MODES),
    patients=st.sampled_from(PATIENTS),
)


@settings(max_examples=200)
@given(st.lists(plain, max_size=60), st.sampled_from(ZONES), st.integers(TODAY - 5, TODAY + 5))
def test_entry_contains_the_openings(openings: list[PlainOpening], zone: int, since: int) -> None:
    assert decode(make_entry(openings, zone, since)) == expected_content(openings, since)


@settings(max_examples=200)
@given(st.data(), st.lists(plain, max_size=40), st.sampled_from(ZONES))
def test_merged_week_equals_a_new_entry(data: st.DataObject, openings: list[PlainOpening], zone: int) -> None:
    before = make_entry(openings, zone)
    week = data.draw(st.integers(zones.week_of_day(TODAY), zones.week_of_day(TODAY + DAYS - 1)))
    booked = [each for each in openings if each.week != week or data.draw(st.booleans())]
    booked += [each for each in data.draw(st.lists(plain, max_size=5)) if each.week == week]
    after = merge_weeks(before, ROW, zone, TODAY, [make_week(week, 2, booked, zone)])
    if after is None:  # a first time lies in another week, and is not in the entry
        assert len(decode(before)["firsts"]) == FIRSTS
    else:
        assert decode(after) == expected_content(booked, TODAY)


@given(st.lists(plain, max_size=30), st.lists(st.integers(1, 70_000), min_size=2, max_size=8, unique=True))
def test_newest_week_wins_in_any_order(openings: list[PlainOpening], versions: list[int]) -> None:
    """Versions are stored modulo 65,535, so they must be less than 32,768 apart."""
    versions = [versions[0] + each % 30_000 for each in versions]
    zone, week = ZONES[0], zones.week_of_day(TODAY + 9)
    value = build_entry(ROW, zone, TODAY, [])
    states = {version: [each for each in openings if each.week == week][: version % 5] for version in versions}
    for version in versions:
        value = merge_weeks(value, ROW, zone, TODAY, [make_week(week, version, states[version], zone)]) or b""
    assert decode(value) == expected_content(states[max(versions)], TODAY)


def test_deleted_week_has_no_openings() -> None:
    zone = ZONES[0]
    openings = [PlainOpening(TODAY + 3, 600), PlainOpening(TODAY + 12, 600)]
    gone = WeekItem("1", "location", openings[0].week, 2, None)
    after = merge_weeks(make_entry(openings, zone), ROW, zone, TODAY, [summarize_week(gone, zone)])
    assert after is not None
    assert decode(after) == expected_content(openings[1:], TODAY)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (EMPTY_ENTRY, "nothing is known yet"),
        (make_entry([], ZONES[0], TODAY - 1), "it is of yesterday"),
        (make_entry([], ZONES[1]), "it is by another clock"),
        (build_entry(ROW + 1, ZONES[0], TODAY, []), "it is of another row"),
    ],
)
def test_merge_requires_all_weeks_for_unusable_entry(value: bytes, reason: str) -> None:
    assert merge_weeks(value, ROW, ZONES[0], TODAY, []) is None, reason


def test_merge_accepts_entry_that_begins_tomorrow() -> None:
    assert merge_weeks(make_entry([], ZONES[0], TODAY + 1), ROW, ZONES[0], TODAY, []) is not None


def test_opening_is_found_for_exactly_the_visits_that_can_be_booked() -> None:
    """New patients by video and existing ones in person are two visits, not four."""
    zone, day = ZONES[0], TODAY + 3
    start = PlainOpening(day, 600).start(zone)
    others = (BookableVisit(minutes=30, modes=("in_person",), patients=("existing",)),)
    opening = Opening(start=start, minutes=20, modes=("video",), patients=("new",), other_visits=others)
    week = summarize_openings(zones.week_of_day(day), 1, [opening], zone)
    at = day - zones.first_day_of_week(week.number)
    assert (week.bits[at], week.counts[at]) == (1 << 0 | 1 << 3, 1)


def test_repeated_hour_counts_twice_and_is_first_once() -> None:
    zone = zones.zone_number("America/New_York")
    starts = ("2026-11-01T01:30:00-04:00", "2026-11-01T01:10:00-05:00")
    day = zones.day_number(date(2026, 11, 1))
    week = summarize_openings(zones.week_of_day(day), 1, [Opening(start=start, minutes=10) for start in starts], zone)
    assert sum(week.counts) == 2
    assert week.firsts == [(day, 90)]


@pytest.mark.parametrize("start", ["2026-11-23T09:00:00", "tomorrow", "2026-11-23"])
def test_invalid_start_is_rejected(start: str) -> None:
    data = msgspec.json.encode(
        {"provider_location_id": "x", "npi": "1", "week": "-", "time_zone": "UTC", "openings": [
            {"start": start, "minutes": 20}
        ]}
    )  # fmt: skip
    with pytest.raises(ContractError, match="availability/1/x"):
        summarize_week(WeekItem("1", "x", 2969, 1, data.decode()), 0)


def test_entry_matches_layout() -> None:
    value = Entry(1, TODAY, 3, versions=list(range(10)), planes=list(range(12)), firsts=[(TODAY + 2, 75)]).pack()
    row = memoryview(value).cast("B").tobytes()
    assert len(row) == OPENINGS.itemsize
    (read,) = np.frombuffer(row, OPENINGS)
    assert (read["check"], read["since"], read["zone"]) == (1, TODAY, 3)
    assert read["versions"].tolist() == list(range(10))
    assert read["planes"].tolist() == list(range(12))
    assert read["firsts"].tolist()[:2] == [2 << 11 | 75, 0xFFFF]


def test_every_place_has_a_listed_zone() -> None:
    assert {place.time_zone for place in all_places().values()} <= set(zones.TIME_ZONES)


@given(st.integers(0, 40_000))
def test_days_and_weeks_match_the_calendar(day: int) -> None:
    year, week, weekday = zones.date_from_day(day).isocalendar()
    assert zones.week_number(f"{year:04d}-W{week:02d}") == zones.week_of_day(day)
    assert zones.first_day_of_week(zones.week_of_day(day)) == day - weekday + 1


@pytest.mark.parametrize("text", ["2026-48", "2026-W54", "26-W48", "2026-Wxx", ""])
def test_invalid_week_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"[Ww]eek|invalid"):
        zones.week_number(text)


def test_unlisted_zone_is_utc() -> None:
    assert zones.local_time(0, zones.zone_number("Europe/Berlin")) == datetime(1970, 1, 1, tzinfo=UTC)
