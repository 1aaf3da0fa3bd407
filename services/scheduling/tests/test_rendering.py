"""Rendering of openings as JSON."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from millrace_scheduling.availability.model import Run
from millrace_scheduling.availability.rendering import openings_json
from millrace_scheduling.availability.visit_types import ANY_VISIT
from millrace_scheduling.calendar.model import VisitType

TYPES = (VisitType(id="a", name="A", minutes=30), VisitType(id="b", name="B", minutes=20))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def minutes(moment: datetime) -> int:
    return int((moment - EPOCH).total_seconds()) // 60


CHANGES = (
    minutes(datetime(2026, 3, 8, 7, tzinfo=UTC)),
    minutes(datetime(2026, 11, 1, 6, tzinfo=UTC)),
    minutes(datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    minutes(datetime(2026, 12, 31, 23, 0, tzinfo=UTC)),
)
lengths = st.lists(
    st.tuples(st.integers(1, 600), st.integers(1, 40), st.sampled_from((5, 15, 20, 60)), st.integers(1, 3)),
    min_size=1,
    max_size=6,
)


@given(
    st.sampled_from(("America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")),
    st.sampled_from(CHANGES),
    st.integers(-1500, 100),
    lengths,
)
@example("America/New_York", CHANGES[1], -1440, [(1, 100, 30, 1)])
def test_starts_are_local_times_with_offset(
    zone: str, change: int, before: int, lengths: list[tuple[int, int, int, int]]
) -> None:
    runs: list[Run] = []
    at = change + before
    for gap, number, step, mask in lengths:
        runs.append(Run(range(at + gap, at + gap + number * step, step), mask))
        at = runs[-1].starts.stop
    rendered = json.loads(openings_json(zone, runs, TYPES, ANY_VISIT))
    expected = [
        ((EPOCH + timedelta(minutes=start)).astimezone(ZoneInfo(zone)).isoformat(), 20 if run.mask == 2 else 30)
        for run in runs
        for start in run.starts
    ]
    assert [(each["start"], each["minutes"]) for each in rendered] == expected


def test_no_openings_are_an_empty_list() -> None:
    assert openings_json("UTC", [], TYPES, ANY_VISIT) == "[]"
