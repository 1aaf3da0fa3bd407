"""Answers what can be booked, and why something can't."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain
from uuid import UUID

from millrace_feeds.clock import Clock, utc_now
from millrace_platform.database import Database
from millrace_platform.statements import Statements
from millrace_scheduling.availability import repository
from millrace_scheduling.availability.explanation import Reason, reasons
from millrace_scheduling.availability.model import Bounds, Run, Wanted, bounds, free_runs, offered
from millrace_scheduling.availability.rendering import openings_json
from millrace_scheduling.availability.repository import Timetable
from millrace_scheduling.calendar.model import VisitType
from millrace_scheduling.slot.model import Occupied
from millrace_scheduling.slot.zones import minute_of, moment_of

NEAREST_DAYS = 14
"""How far from a time others are looked for."""
NOTHING_TAKEN = Occupied(())


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a time can be booked: it can where there are no `reasons`, and then there is a `visit_type`."""

    timetable: Timetable | None
    visit_type: VisitType | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Times:
    """The times of one place, with the visit types that their bits stand for."""

    timetable: Timetable
    visit_types: Sequence[VisitType]
    runs: list[Run]

    def starts(self) -> Iterator[int]:
        """Minutes, in order."""
        return chain.from_iterable(run.starts for run in self.runs)


def times_of(timetable: Timetable, occupied: Occupied, wanted: Wanted, within: Bounds | None, now: float) -> Times:
    """What can be booked at a place, out of the slots that were read; `within` narrows notice and horizon down."""
    calendar = timetable.calendar
    if calendar is None:
        return Times(timetable, (), [])
    allowed = bounds(calendar, now)
    if within is not None:
        allowed = Bounds(max(allowed.first, within.first), min(allowed.before, within.before))
    types = offered(calendar, wanted)
    return Times(timetable, types, free_runs(types, timetable.segments, calendar.grid_minutes, occupied, allowed))


async def judge(session: Statements, place_id: UUID, start: datetime, wanted: Wanted, now: datetime) -> Judgement:
    """Look at one time in the session's transaction. Only the insert of a claim decides; this is what can be told."""
    minute = minute_of(start)
    day = moment_of(minute).date()
    found = (await repository.timetables(session, [place_id], day, day)).get(place_id)
    if found is None or found.calendar is None:
        return Judgement(found, None, (Reason.NO_CALENDAR,))
    taken = await repository.taken(session, found.npi, day, now)
    visit_type, why = reasons(found.calendar, minute, wanted, taken, now.timestamp())
    if start.second or start.microsecond:
        why = [Reason.OFF_GRID, *why]
    return Judgement(found, visit_type, tuple(dict.fromkeys(why)))


async def nearest(
    session: Statements, place_id: UUID, around: datetime, wanted: Wanted, now: datetime, *, limit: int = 5
) -> list[datetime]:
    """Times that can be booked instead, the nearest first."""
    centre = minute_of(around)
    days = timedelta(NEAREST_DAYS)
    first, last = max(around - days, now).date() - timedelta(1), (max(around, now) + days).date()
    found = (await repository.timetables(session, [place_id], first, last)).get(place_id)
    if found is None:
        return []
    occupied = await repository.occupied(session, [found.npi], first, last, now)
    times = times_of(found, occupied.get(found.npi, NOTHING_TAKEN), wanted, None, now.timestamp())
    ordered = sorted((abs(start - centre), start) for start in times.starts() if start != centre)
    return [moment_of(start) for _, start in ordered[:limit]]


@dataclass(frozen=True, slots=True)
class AvailabilityService:
    """Public: nothing here tells of who booked."""

    database: Database
    clock: Clock

    def now(self) -> datetime:
        return utc_now(self.clock)

    async def judge(self, place_id: UUID, start: datetime, wanted: Wanted) -> Judgement:
        async with self.database.connection() as session:
            return await judge(session, place_id, start, wanted, self.now())

    async def read(self, place_ids: Sequence[UUID], first: date, last: date, wanted: Wanted) -> str:
        """What can be booked on these days on the wall of each place, as the JSON of the response."""
        now = self.now()
        # A transaction around the two would only cost its beginning and its end: each sees what is committed by then.
        async with self.database.connection() as session:
            found = await repository.timetables(session, place_ids, first, last)
            npis = [each.npi for each in found.values() if each.calendar is not None]
            occupied = await repository.occupied(session, npis, first, last, now)
        listed = ",".join(
            _place_json(found.get(each), each, occupied, wanted, now.timestamp()) for each in dict.fromkeys(place_ids)
        )
        return f'{{"from":"{first}","to":"{last}","provider_locations":[{listed}]}}'


def _place_json(
    timetable: Timetable | None, place_id: UUID, occupied: Mapping[str, Occupied], wanted: Wanted, now: float
) -> str:
    if timetable is None or timetable.calendar is None:
        return f'{{"provider_location_id":"{place_id}","bookable":false,"time_zone":null,"openings":[]}}'
    times = times_of(timetable, occupied.get(timetable.npi, NOTHING_TAKEN), wanted, None, now)
    openings = openings_json(timetable.time_zone, times.runs, times.visit_types, wanted)
    zone = timetable.time_zone
    return f'{{"provider_location_id":"{place_id}","bookable":true,"time_zone":"{zone}","openings":{openings}}}'
