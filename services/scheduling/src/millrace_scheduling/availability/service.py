"""Search for openings, and explanations why a time can't be booked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from millrace_feeds.clock import Clock, utc_now
from millrace_platform.database import Database
from millrace_platform.statements import Statements
from millrace_scheduling.availability import repository
from millrace_scheduling.availability.explanation import Reason, explain_start
from millrace_scheduling.availability.model import NO_OCCUPIED_TIME, Timetable, find_bookable_times
from millrace_scheduling.availability.rendering import openings_json
from millrace_scheduling.availability.visit_types import VisitCriteria
from millrace_scheduling.calendar.model import VisitType
from millrace_scheduling.calendar.slots import OccupiedTime
from millrace_scheduling.zones import from_minute, to_minute

NEAREST_DAYS = 14
"""Days before and after a requested time in which alternatives are searched for."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The reasons why a time can't be booked as `visit_type`; empty if it can.

    `timetable` is None for an unknown provider-location.
    """

    timetable: Timetable | None
    visit_type: VisitType | None
    reasons: tuple[Reason, ...]


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
    loaded = await repository.load_timetable(session, provider_location_id, first, last, now)
    if loaded is None:
        return []
    times = find_bookable_times(*loaded, criteria, None, now.timestamp())
    ordered = sorted((abs(start - center), start) for start in times.starts() if start != center)
    return [from_minute(start) for _, start in ordered[:limit]]


async def explain(
    session: Statements,
    timetable: Timetable,
    start: datetime,
    criteria: VisitCriteria,
    *,
    now: datetime,
    own_id: UUID | None = None,
) -> tuple[VisitType | None, list[Reason]]:
    """Return `explain_start` with the time that is reserved now, without the reservation `own_id`."""
    reserved = await repository.load_reserved_times(session, timetable.npi, start, now, own_id)
    return explain_start(timetable, start, criteria, reserved, now.timestamp())


@dataclass(frozen=True, slots=True)
class AvailabilityService:
    """Finds and explains public openings. Results never identify a patient."""

    database: Database
    clock: Clock

    def now(self) -> datetime:
        return utc_now(self.clock)

    async def explain(self, provider_location_id: UUID, start: datetime, criteria: VisitCriteria) -> Explanation:
        """Return the reasons why a time isn't offered. Reserves nothing, so the time may be booked a moment later."""
        now = self.now()
        async with self.database.connection() as session:
            context = await repository.find_booking_context(session, provider_location_id, start, now)
            if context is None:
                return Explanation(None, None, (Reason.NO_CALENDAR,))
            timetable, _ = context
            visit_type, reasons = await explain(session, timetable, start, criteria, now=now)
        return Explanation(timetable, visit_type, tuple(reasons))

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
