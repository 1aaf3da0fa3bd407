"""Slots compared with an independent oracle: python-dateutil's rules and time zones, minute by minute."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule
from dateutil.zoneinfo import get_zonefile_instance
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millrace_scheduling.availability.model import StartBounds, find_free_runs
from millrace_scheduling.calendar.holidays import federal_holidays
from millrace_scheduling.calendar.model import Block, Calendar, ExtraHours, Hours, VisitType
from millrace_scheduling.calendar.slots import OccupiedTime, compute_segments
from millrace_scheduling.calendar.windows import expand_hours
from millrace_scheduling.zones import to_minute

ZONES = (
    "America/New_York",
    "America/Phoenix",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "America/Scoresbysund",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Chatham",
    "UTC",
)
CHANGES = [
    ("Pacific/Apia", date(2011, 12, 29)),  # the next day was left out
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Pacific/Apia", date(2011, 12, 31)),
    ("America/St_Johns", date(2010, 11, 6)),  # back at 00:01, into the day before
    ("America/St_Johns", date(2010, 11, 7)),
    ("America/St_Johns", date(2011, 3, 13)),
    ("America/New_York", date(2016, 11, 6)),
    ("America/New_York", date(2017, 3, 12)),
    ("America/Havana", date(2017, 11, 5)),  # back from 01:00 to midnight
    ("America/Scoresbysund", date(2020, 10, 25)),
    ("America/Santiago", date(2022, 9, 11)),  # forward at midnight
    ("Asia/Beirut", date(2019, 3, 31)),
    ("Australia/Lord_Howe", date(2018, 4, 1)),  # back by half an hour
    ("Australia/Lord_Howe", date(2018, 10, 7)),
    ("Africa/Casablanca", date(2019, 5, 5)),  # out of summer time for Ramadan
    ("Africa/Casablanca", date(2019, 6, 9)),
    ("Europe/Dublin", date(2021, 3, 28)),
    ("Pacific/Chatham", date(2022, 4, 3)),  # at 03:45
]
WINTER_IS_DAYLIGHT_SAVING = frozenset({"Africa/Casablanca", "Europe/Dublin"})
"""Zones with negative daylight saving, which dateutil gets wrong (2019-05-05T02:00Z in Casablanca is +00:00). For these
the oracle uses the standard library's zones with the folds of PEP 495."""
DAY = 1440
days = st.dates(date(1995, 1, 1), date(2023, 12, 31))


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, int]:
    night = draw(st.booleans())
    opens, closes = sorted(draw(st.sets(st.integers(0, 360 if night else DAY), min_size=2, max_size=2)))
    return opens, closes


@st.composite
def calendars(draw: st.DrawFn, zone: str, day: date) -> Calendar:
    """Return a calendar with hours and blocks on and around a day."""
    near = st.integers(-DAY, 2 * DAY).map(lambda m: datetime.combine(day, datetime.min.time()) + timedelta(minutes=m))
    hours = draw(st.lists(st.tuples(st.integers(1, 7), spans()), max_size=6))
    extra = draw(st.lists(spans(), max_size=2))
    blocks = [sorted(pair) for pair in draw(st.lists(st.tuples(near, near), max_size=2))]
    return Calendar(
        time_zone=zone,
        weekly_hours=(
            *(Hours(weekday=weekday, opens=o, closes=c) for weekday, (o, c) in hours),
            *(
                Hours(weekday=day.isoweekday(), opens=o, closes=c)
                for o, c in draw(st.lists(spans(), min_size=1, max_size=2))
            ),
        ),
        visit_types=(VisitType(id="v", name="V", minutes=draw(st.integers(5, 120))),),
        grid_minutes=draw(st.sampled_from((5, 10, 15, 20, 25, 30, 60))),
        blocks=tuple(Block(begins=begins, ends=ends) for begins, ends in blocks if begins < ends),
        extra_hours=tuple(ExtraHours(day=day, opens=o, closes=c) for o, c in extra),
        holidays=(day,) if draw(st.integers(0, 5)) == 0 else (),
    )


def moments(zone: str, local: datetime) -> set[int]:
    """Return the minutes that have a local time: none in a gap, two in an overlap."""
    info = ZoneInfo(zone) if zone in WINTER_IS_DAYLIGHT_SAVING else get_zonefile_instance().get(zone)
    found = {local.replace(tzinfo=info, fold=fold).astimezone(UTC) for fold in (0, 1)}
    # A local time in a gap is converted to another one.
    existing = {moment for moment in found if moment.astimezone(info).replace(tzinfo=None, fold=0) == local}
    return {int(moment.timestamp()) // 60 for moment in existing}


def local_minutes(calendar: Calendar, day: date) -> Iterator[datetime]:
    """Yield the local time of every minute in the hours of a day."""
    midnight = datetime.combine(day, datetime.min.time())
    weekly = [] if day in calendar.holidays else calendar.weekly_hours
    for hours in weekly:
        rule = rrule.rrule(rrule.DAILY, dtstart=midnight, count=1, byweekday=hours.weekday - 1)
        for begin in rule.between(midnight, midnight, inc=True):
            yield from minutes(begin + timedelta(minutes=hours.opens), begin + timedelta(minutes=hours.closes))
    for extra in calendar.extra_hours:
        if extra.day == day:
            yield from minutes(midnight + timedelta(minutes=extra.opens), midnight + timedelta(minutes=extra.closes))


def minutes(begin: datetime, end: datetime) -> Iterator[datetime]:
    yield from rrule.rrule(rrule.MINUTELY, dtstart=begin, until=end - timedelta(minutes=1))


def open_minutes(calendar: Calendar, day: date) -> set[int]:
    return {moment for local in set(local_minutes(calendar, day)) for moment in moments(calendar.time_zone, local)}


def blocked_minutes(calendar: Calendar) -> set[int]:
    return {
        moment
        for block in calendar.blocks
        for local in minutes(block.begins, block.ends)
        for moment in moments(calendar.time_zone, local)
    }


def expected_slots(calendar: Calendar, day: date, length: int) -> dict[int, bool]:
    """Return every slot of a day, and whether a visit of `length` minutes fits there."""
    hours, blocked = open_minutes(calendar, day), blocked_minutes(calendar)
    open_time = (hours | open_minutes(calendar, day + timedelta(1))) - blocked
    found: dict[int, bool] = {}
    anchor = 0
    for minute in sorted(hours):
        if minute - 1 not in hours:
            anchor = minute
        if (minute - anchor) % calendar.grid_minutes == 0 and minute not in blocked:
            found[minute] = all(minute + ahead in open_time for ahead in range(length))
    return found


@st.composite
def cases(draw: st.DrawFn) -> tuple[Calendar, date]:
    zone, day = draw(st.sampled_from(CHANGES) | st.tuples(st.sampled_from(ZONES), days))
    return draw(calendars(zone, day)), day


@settings(max_examples=120)
@given(cases())
def test_slots_equal_those_of_the_oracle(case: tuple[Calendar, date]) -> None:
    assert_equal_slots(*case)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@settings(max_examples=5_000)
@given(cases())
def test_slots_equal_those_of_the_oracle_for_many_examples(case: tuple[Calendar, date]) -> None:
    assert_equal_slots(*case)


def assert_equal_slots(calendar: Calendar, day: date) -> None:
    length = calendar.visit_types[0].minutes
    segments = compute_segments(calendar, day)
    found = [start for segment in segments for start in range(segment.first, segment.end, calendar.grid_minutes)]
    assert found == [minute for minute, fits in expected_slots(calendar, day, length).items() if fits]
    assert all(segment.end <= segment.until for segment in segments)


@settings(max_examples=40)
@given(cases())
def test_days_dont_overlap(case: tuple[Calendar, date]) -> None:
    calendar, day = case
    found = [window for each in (day, day + timedelta(1)) for window in expand_hours(calendar, each)]
    covered = [minute for begin, end in found for minute in range(begin, end)]
    assert len(covered) == len(set(covered))
    assert set(covered) == open_minutes(calendar, day) | open_minutes(calendar, day + timedelta(1))


@st.composite
def occupied_windows(draw: st.DrawFn) -> list[tuple[int, int]]:
    edges = sorted(draw(st.sets(st.integers(0, 600), max_size=12)))
    return list(zip(edges[::2], edges[1::2], strict=False))


types = st.builds(
    VisitType,
    id=st.just("v"),
    name=st.just("V"),
    minutes=st.integers(5, 120),
    buffer_before=st.integers(0, 40),
    buffer_after=st.integers(0, 40),
)


@settings(max_examples=200)
@given(occupied_windows(), st.lists(types, min_size=1, max_size=3), st.sampled_from((5, 15, 20)), st.integers(0, 300))
@example([], [VisitType(id="v", name="V", minutes=30)], 15, 7)
def test_free_starts_fit_between_occupied_times(
    windows: list[tuple[int, int]], kinds: list[VisitType], grid: int, at: int
) -> None:
    """Compare with a check of every minute of every visit."""
    hours = (Hours(weekday=4, opens=0, closes=600),)
    calendar = Calendar(time_zone="UTC", weekly_hours=hours, visit_types=tuple(kinds), grid_minutes=grid)
    segments = compute_segments(calendar, date(1970, 1, 1))
    busy = {minute for begin, end in windows for minute in range(begin, end)}
    expected = {}
    for start in range(0, 600, grid):
        if start < at or start >= 500:
            continue
        mask = 0
        for bit, kind in enumerate(kinds):
            needed = range(start - kind.buffer_before, start + kind.minutes + kind.buffer_after)
            if start + kind.minutes <= 600 and busy.isdisjoint(needed):
                mask |= 1 << bit
        if mask:
            expected[start] = mask
    runs = find_free_runs(kinds, segments, grid, OccupiedTime(windows), StartBounds(at, 500))
    assert [(start, run.mask) for run in runs for start in run.starts] == sorted(expected.items())


def test_gap_has_no_slots_and_overlap_has_each_moment_once() -> None:
    hours = tuple(Hours(weekday=weekday, opens=60, closes=240) for weekday in range(1, 8))
    types = (VisitType(id="v", name="V", minutes=30),)
    calendar = Calendar(time_zone="America/New_York", weekly_hours=hours, visit_types=types, grid_minutes=30)

    def utc(day: date) -> list[str]:
        found = [s for each in compute_segments(calendar, day) for s in range(each.first, each.end, 30)]
        return [datetime.fromtimestamp(s * 60, UTC).strftime("%H:%M") for s in found]

    assert utc(date(2026, 3, 8)) == ["06:00", "06:30", "07:00", "07:30"]
    assert utc(date(2026, 11, 1)) == ["05:00", "05:30", "06:00", "06:30", "07:00", "07:30", "08:00", "08:30"]


def test_federal_holidays_equal_the_official_list() -> None:
    """Compare with the list of the Office of Personnel Management."""
    assert sorted(day.isoformat()[5:] for day in federal_holidays(2021)) == [
        "01-01", "01-18", "02-15", "05-31", "06-18", "07-05", "09-06", "10-11", "11-11", "11-25", "12-24", "12-31",
    ]  # fmt: skip
    assert sorted(day.isoformat()[5:] for day in federal_holidays(2026)) == [
        "01-01", "01-19", "02-16", "05-25", "06-19", "07-03", "09-07", "10-12", "11-11", "11-26", "12-25",
    ]  # fmt: skip


def test_moment_is_rounded_down_to_its_minute() -> None:
    assert to_minute(datetime(1970, 1, 2, 0, 1, 59, tzinfo=UTC)) == 1441
