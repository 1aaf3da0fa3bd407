"""Search for openings, and explanations why a time can't be booked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain
from uuid import UUID

from millrace_feeds.clock import Clock, utc_now
from millrace_platform.database import Database
from millrace_platform.statements import Statements
from millrace_scheduling.availability import repository
from millrace_scheduling.availability.explanation import Reason, explain_start
from millrace_scheduling.availability.model import (
    Run,
    StartBounds,
    VisitCriteria,
    find_free_runs,
    matching_visit_types,
    start_bounds,
)
from millrace_scheduling.availability.rendering import openings_json
from millrace_scheduling.availability.repository import Timetable
from millrace_scheduling.calendar.model import VisitType
from millrace_scheduling.slot.model import OccupiedTime
from millrace_scheduling.slot.zones import from_minute, to_minute

NEAREST_DAYS = 14
"""Days before and after a requested time in which alternatives are searched for."""
NO_OCCUPIED_TIME = OccupiedTime(())


@dataclass(frozen=True, slots=True)
class Explanation:
    """The reasons why a time can't be booked as `visit_type`; empty if it can.

    `timetable` is None for an unknown provider-location.
    """

    timetable: Timetable | None
    visit_type: VisitType | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class BookableTimes:
    """The bookable times of a provider-location; bit n of a run's mask stands for `visit_types[n]`."""

    timetable: Timetable
    visit_types: Sequence[VisitType]
    runs: list[Run]

    def starts(self) -> Iterator[int]:
        """Return all starts in order, in minutes since the epoch."""
        return chain.from_iterable(run.starts for run in self.runs)


def find_bookable_times(
    timetable: Timetable, occupied: OccupiedTime, criteria: VisitCriteria, within: StartBounds | None, now: float
) -> BookableTimes:
    """Return the times of a timetable that can be booked.

    Notice, horizon and `within` restrict them; `now` is in seconds since the epoch.
    """
    calendar = timetable.calendar
    if calendar is None:
        return BookableTimes(timetable, (), [])
    allowed = start_bounds(calendar, now)
    if within is not None:
        allowed = StartBounds(max(allowed.first, within.first), min(allowed.before, within.before))
    types = matching_visit_types(calendar, criteria)
    runs = find_free_runs(types, timetable.segments, calendar.grid_minutes, occupied, allowed)
    return BookableTimes(timetable, types, runs)


async def find_nearest(
    session: Statements,
    provider_location_id: UUID,
    around: datetime,
    criteria: VisitCriteria,
    now: datetime,
    *,
    limit: int = 5,
) -> list[datetime]:
    """Return the bookable starts nearest to a time, nearest first, without the time itself."""
    center = to_minute(around)
    days = timedelta(NEAREST_DAYS)
    first, last = max(around - days, now).date() - timedelta(1), (max(around, now) + days).date()
    timetable = (await repository.load_timetables(session, [provider_location_id], first, last)).get(
        provider_location_id
    )
    if timetable is None:
        return []
    occupied = await repository.load_occupied_time(session, [timetable.npi], first, last, now)
    times = find_bookable_times(
        timetable, occupied.get(timetable.npi, NO_OCCUPIED_TIME), criteria, None, now.timestamp()
    )
    ordered = sorted((abs(start - center), start) for start in times.starts() if start != center)
    return [from_minute(start) for _, start in ordered[:limit]]


@dataclass(frozen=True, slots=True)
class AvailabilityService:
    """Finds and explains public openings. Results never identify a patient."""

    database: Database
    clock: Clock

    def now(self) -> datetime:
        return utc_now(self.clock)

    async def explain(self, provider_location_id: UUID, start: datetime, criteria: VisitCriteria) -> Explanation:
        """Return the reasons why a time isn't offered. Reserves nothing, so the time may be booked a moment later."""
        now, minute = self.now(), to_minute(start)
        day = from_minute(minute).date()
        async with self.database.connection() as session:
            timetable = (await repository.load_timetables(session, [provider_location_id], day, day)).get(
                provider_location_id
            )
            if timetable is None or timetable.calendar is None:
                return Explanation(timetable, None, (Reason.NO_CALENDAR,))
            reserved = await repository.load_reserved_times(session, timetable.npi, day, now)
        visit_type, reasons = explain_start(timetable.calendar, minute, criteria, reserved, now.timestamp())
        if start.second or start.microsecond:
            reasons = [Reason.OFF_GRID, *reasons]
        return Explanation(timetable, visit_type, tuple(dict.fromkeys(reasons)))

    async def render(
        self, provider_location_ids: Sequence[UUID], first: date, last: date, criteria: VisitCriteria
    ) -> str:
        """Return an `AvailabilityResource` as JSON; days are in the time zone of each provider-location."""
        now = self.now()
        # No transaction: each query sees what is committed anyway, so two more round trips would gain nothing.
        async with self.database.connection() as session:
            timetables = await repository.load_timetables(session, provider_location_ids, first, last)
            npis = [each.npi for each in timetables.values() if each.calendar is not None]
            occupied = await repository.load_occupied_time(session, npis, first, last, now)
        rendered = ",".join(
            _render_provider_location(timetables.get(each), each, occupied, criteria, now.timestamp())
            for each in dict.fromkeys(provider_location_ids)
        )
        return f'{{"from":"{first}","to":"{last}","provider_locations":[{rendered}]}}'


def _render_provider_location(
    timetable: Timetable | None,
    provider_location_id: UUID,
    occupied: Mapping[str, OccupiedTime],
    criteria: VisitCriteria,
    now: float,
) -> str:
    if timetable is None or timetable.calendar is None:
        return f'{{"provider_location_id":"{provider_location_id}","bookable":false,"time_zone":null,"openings":[]}}'
    times = find_bookable_times(timetable, occupied.get(timetable.npi, NO_OCCUPIED_TIME), criteria, None, now)
    openings = openings_json(timetable.time_zone, times.runs, times.visit_types, criteria)
    return (
        f'{{"provider_location_id":"{provider_location_id}","bookable":true,"time_zone":"{timetable.time_zone}",'
        f'"openings":{openings}}}'
    )
