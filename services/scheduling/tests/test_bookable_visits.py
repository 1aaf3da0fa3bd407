"""Agreement of openings, holds and explanations, for random calendars and reservations: what is listed can be held.

One property runs on the pure functions, one through the API of a running service.
"""

from collections.abc import Awaitable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import httpx
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from millrace_contracts.entities import Mode, PatientKind
from millrace_scheduling.availability.explanation import Reason, ReservedTime, explain_start
from millrace_scheduling.availability.model import (
    Timetable,
    find_bookable_times,
    find_bookable_visit_type,
    select_visit_types,
    start_bounds,
)
from millrace_scheduling.availability.visit_types import ANY_VISIT, VisitCriteria, list_bookable_visits
from millrace_scheduling.calendar.model import Block, Calendar, ExtraHours, Hours, VisitType
from millrace_scheduling.calendar.slots import OccupiedTime, compute_segments
from millrace_scheduling.zones import from_minute

from .booking import bookable_location, new_patient
from .running import START, Service
from .test_availability import reserve

T = TypeVar("T")
DAYS = (
    ("America/New_York", date(2026, 3, 8)),  # forward at 02:00
    ("America/New_York", date(2026, 11, 1)),  # back at 02:00
    ("America/New_York", date(2026, 11, 18)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),  # back by half an hour
    ("Pacific/Chatham", date(2026, 6, 3)),
)
REASONS = ("acne", "annual-physical")
GRIDS = (10, 15, 30)

reasons = st.none() | st.sampled_from(REASONS)
patient_sets: st.SearchStrategy[tuple[PatientKind, ...]] = st.sampled_from(
    (("existing", "new"), ("new",), ("existing",))
)
mode_sets: st.SearchStrategy[tuple[Mode, ...]] = st.sampled_from((("in_person",), ("in_person", "video"), ("video",)))


@st.composite
def visit_type_lists(draw: st.DrawFn) -> tuple[VisitType, ...]:
    return tuple(
        VisitType(
            id=f"type-{number}",
            name="Visit",
            minutes=draw(st.sampled_from((10, 15, 30, 45, 90))),
            visit_reasons=draw(st.sampled_from(((), (), ("acne",), REASONS))),
            patients=draw(patient_sets),
            modes=draw(mode_sets),
            buffer_before=draw(st.sampled_from((0, 0, 5, 20))),
            buffer_after=draw(st.sampled_from((0, 0, 10, 30))),
        )
        for number in range(draw(st.integers(1, 4)))
    )


@st.composite
def calendars(draw: st.DrawFn, zone: str, day: date) -> Calendar:
    """Return a calendar with hours on a day and on the next one, some with a block, extra hours or a holiday."""
    opens = draw(st.sampled_from((0, 60, 540, 780)))
    begins = datetime.combine(day, datetime.min.time()) + timedelta(minutes=draw(st.integers(0, 900)))
    return Calendar(
        time_zone=zone,
        weekly_hours=(
            Hours(weekday=day.isoweekday(), opens=opens, closes=opens + draw(st.sampled_from((120, 180, 360)))),
            Hours(weekday=day.isoweekday() % 7 + 1, opens=0, closes=60),
        ),
        visit_types=draw(visit_type_lists()),
        grid_minutes=draw(st.sampled_from(GRIDS)),
        minimum_notice=draw(st.sampled_from((0, 0, 60, 600))),
        horizon_days=draw(st.sampled_from((1, 2, 30))),
        blocks=draw(st.sampled_from(((), (Block(begins=begins, ends=begins + timedelta(minutes=50)),)))),
        extra_hours=draw(st.sampled_from(((), (ExtraHours(day=day, opens=1000, closes=1100),)))),
        holidays=draw(st.sampled_from(((), (), (day,)))),
    )


@st.composite
def reserved_times(draw: st.DrawFn, begin: int, most: int = 6) -> list[ReservedTime]:
    """Return reservations that don't overlap, after a minute."""
    found, at = [], begin
    for _ in range(draw(st.integers(0, most))):
        at += draw(st.sampled_from((0, 5, 15, 30, 45, 200)))
        before, minutes, after = draw(st.sampled_from(((0, 30, 0), (0, 15, 10), (5, 45, 0), (0, 120, 0))))
        visit = at + before, at + before + minutes
        found.append(ReservedTime(draw(st.booleans()), *visit, at, visit[1] + after))
        at = visit[1] + after
    return found


class Case(NamedTuple):
    """A calendar with its reservations, what is searched for, and the time of the search."""

    timetable: Timetable
    calendar: Calendar
    reserved: list[ReservedTime]
    criteria: VisitCriteria
    now: float


def make_case(calendar: Calendar, day: date, reserved: list[ReservedTime], criteria: VisitCriteria, now: float) -> Case:
    segments = [each for ahead in (-1, 0, 1, 2) for each in compute_segments(calendar, day + timedelta(ahead))]
    timetable = Timetable(UUID(int=1), "1234567893", None, calendar.time_zone, calendar, segments)
    return Case(timetable, calendar, reserved, criteria, now)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    zone, day = draw(st.sampled_from(DAYS))
    calendar = draw(calendars(zone, day))
    midnight = int(datetime.combine(day, datetime.min.time(), UTC).timestamp()) // 60
    criteria = VisitCriteria(
        draw(reasons),
        draw(st.none() | st.sampled_from(("existing", "new"))),
        draw(st.none() | st.sampled_from(("in_person", "video"))),
        draw(st.none() | st.none() | st.sampled_from([each.id for each in calendar.visit_types])),
    )
    now = 60.0 * (midnight + draw(st.integers(-2000, 300))) + draw(st.sampled_from((0, 1)))
    return make_case(calendar, day, draw(reserved_times(midnight + draw(st.integers(-600, 1200)))), criteria, now)


AFTERNOON = Calendar(
    time_zone="UTC",
    weekly_hours=(Hours(weekday=3, opens=780, closes=960),),
    visit_types=(VisitType(id="intake", name="Intake", minutes=45), VisitType(id="follow-up", name="F", minutes=15)),
)
WEDNESDAY = date(2026, 11, 18)
NOON = int(datetime(2026, 11, 18, 12, tzinfo=UTC).timestamp())


def booked(begin: int, end: int) -> ReservedTime:
    """Return an appointment without buffers, in minutes after noon."""
    begin, end = NOON // 60 + begin, NOON // 60 + end
    return ReservedTime(False, begin, end, begin, end)


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
@example(make_case(AFTERNOON, WEDNESDAY, [booked(105, 225)], ANY_VISIT, NOON))
def test_listed_visit_is_the_one_that_is_held_and_other_times_are_explained(case: Case) -> None:
    timetable, calendar, reserved, criteria, now = case
    occupied = OccupiedTime((each.occupied_begin, each.occupied_end) for each in reserved)
    listed = list_visits(case, occupied)
    bounds = start_bounds(calendar, now)
    for minute in sorted(minutes_to_try(timetable, listed)):
        start = from_minute(minute)
        for patient, mode in criteria.each_visit():
            wanted = criteria._replace(patient=patient, mode=mode)
            shown = listed.get(minute, {}).get((patient, mode))
            held = find_bookable_visit_type(timetable, occupied, wanted, start, now)
            assert held == shown
            explained, why = explain_start(timetable, start, wanted, reserved, now)
            assert (not why) == (shown is not None)
            if held is not None:
                assert explained == held
                assert is_free(held, minute, reserved)
                assert bounds.first <= minute < bounds.before
            else:
                # Every refusal has a reason of its own, not that of slots that are still to be made.
                assert why != [Reason.HORIZON] or minute >= bounds.before
            assert find_bookable_visit_type(timetable, occupied, wanted, start + timedelta(seconds=1), now) is None


def list_visits(case: Case, occupied: OccupiedTime) -> dict[int, dict[tuple[PatientKind, Mode], VisitType]]:
    """Return the listed visit type by start, kind of patient and mode."""
    times = find_bookable_times(case.timetable, occupied, case.criteria, None, case.now)
    listed: dict[int, dict[tuple[PatientKind, Mode], VisitType]] = {}
    for run in times.runs:
        fitting = select_visit_types(run.mask, times.visit_types)
        visits = list_bookable_visits(times.visit_types, fitting, case.criteria)
        pairs = [(p, m, each.visit_type) for each in visits for p in each.patients for m in each.modes]
        assert pairs
        assert len({(patient, mode) for patient, mode, _ in pairs}) == len(pairs)
        for start in run.starts:
            listed[start] = {(patient, mode): visit_type for patient, mode, visit_type in pairs}
    return listed


def minutes_to_try(timetable: Timetable, listed: dict[int, Any]) -> set[int]:
    """Return the listed starts, and times around all slots."""
    around = {
        edge + offset
        for each in timetable.segments
        for edge in (each.first, each.end)
        for offset in (-15, -1, 0, 5, 60)
    }
    return {*listed, *around}


def is_free(visit_type: VisitType, start: int, reserved: Sequence[ReservedTime]) -> bool:
    begin, end = start - visit_type.buffer_before, start + visit_type.minutes + visit_type.buffer_after
    return all(each.occupied_end <= begin or each.occupied_begin >= end for each in reserved)


def test_time_that_fits_a_later_visit_type_only_is_listed_with_it() -> None:
    case = make_case(AFTERNOON, WEDNESDAY, [booked(105, 225)], ANY_VISIT, NOON)
    listed = list_visits(case, OccupiedTime((each.occupied_begin, each.occupied_end) for each in case.reserved))
    shown = {start - NOON // 60: visits["new", "in_person"].id for start, visits in listed.items()}
    assert shown == {60: "intake", 75: "follow-up", 90: "follow-up", 225: "follow-up"}


LOCAL_DAY = "2026-11-19"
OPENS = datetime(2026, 11, 19, 14, tzinfo=UTC)
"""Nine in New York."""


@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    # Each example is some dozens of requests: shrinking would take longer than reading the failed example.
    phases=(Phase.explicit, Phase.generate),
)
@given(st.data())
def test_service_holds_what_it_lists_and_explains_what_it_refuses(
    served: Service, portal: BlockingPortal, data: st.DataObject
) -> None:
    def run(work: Awaitable[T]) -> T:
        return portal.call(lambda: work)

    served.clock.now = START
    visit_types = [
        {"id": each.id, "name": each.name, "minutes": each.minutes, "patients": each.patients, "modes": each.modes}
        | {"visit_reasons": each.visit_reasons, "buffer_after": each.buffer_after, "buffer_before": each.buffer_before}
        for each in data.draw(visit_type_lists())
    ]
    hours = [{"weekday": "thursday", "opens": "09:00", "closes": "11:00"}]
    location = run(bookable_location(served, weekly_hours=hours, visit_types=visit_types, grid_minutes=15))
    for each in data.draw(reserved_times(int(OPENS.timestamp()) // 60, most=2)):
        begin, minutes = from_minute(each.occupied_begin), each.occupied_end - each.occupied_begin
        expiry: dict[str, Any] = {"kind": "hold", "expires": OPENS} if each.is_hold else {}
        run(reserve(served, location, begin.isoformat(), minutes, **expiry))
    query = {
        "patient": data.draw(st.sampled_from(("new", "existing"))),
        "mode": data.draw(st.sampled_from(("in_person", "video"))),
    }
    query |= {"visit_reason": reason} if (reason := data.draw(reasons)) else {}
    listed = run(list_openings(served, location, query))
    for ahead in range(-15, 135, 15):
        start = OPENS + timedelta(minutes=ahead)
        shown = listed.pop(start, None)
        why = run(explain(served, location, start, query))
        client = new_patient(served)
        held = run(client.hold(location, start.isoformat(), **query))
        if shown is not None:
            assert held.status_code == 201, held.text
            assert (held.json()["visit_type"], held.json()["minutes"]) == (shown["visit_type"], shown["minutes"])
            assert why == []
            assert run(client.delete(f"/v1/holds/{held.json()['id']}")).status_code == 204
        elif "wrong_visit_type" in why:
            assert held.status_code == 422
        else:
            assert (held.status_code, held.json()["reasons"]) == (409, why)
            assert why
    assert not listed


async def list_openings(service: Service, location: str, query: dict[str, str]) -> dict[datetime, dict[str, Any]]:
    parameters = {"provider_location": location, "from": LOCAL_DAY, "to": LOCAL_DAY, **query}
    response = await service.client.get("/v1/availability", params=parameters)
    openings = response.json()["provider_locations"][0]["openings"]
    assert all(each["other_visits"] == [] for each in openings)
    return {datetime.fromisoformat(each["start"]).astimezone(UTC): each for each in openings}


async def explain(service: Service, location: str, start: datetime, query: dict[str, str]) -> list[str]:
    parameters = {"provider_location": location, "start": start.isoformat(), **query}
    response: httpx.Response = await service.client.get("/v1/availability/explain", params=parameters)
    return [each["code"] for each in response.json()["reasons"]]
