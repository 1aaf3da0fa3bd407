"""Changes of calendars: each is one transaction of the document, its slots and the mark that openings changed."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from millrace_platform.authentication import Principal
from millrace_platform.errors import NotFound, PreconditionRequired
from millrace_platform.preconditions import Tags
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.access import can_manage
from millrace_scheduling.calendar import repository
from millrace_scheduling.calendar.model import Calendar, Written
from millrace_scheduling.openings.repository import mark
from millrace_scheduling.place import repository as places
from millrace_scheduling.place.model import Place


@dataclass(frozen=True, slots=True)
class CalendarService:
    """For the staff of a place's practice and admins; for others there is nothing (404)."""

    units: UnitsOfWork

    async def get(self, caller: Principal, place_id: UUID) -> Written:
        """Problems: 404."""
        async with self.units.database.read() as session:
            place = await places.find(session, place_id)
            stored = await repository.get(session, place_id)
        if place is None or not can_manage(caller, place):
            raise _no_place(place_id)
        if stored is None or stored.calendar is None:
            raise _no_calendar()
        return Written(place, stored.version, stored.calendar)

    async def place(self, caller: Principal, place_id: UUID) -> Place:
        """The place, where the caller can_manage its calendar. Problems: 404."""
        async with self.units.database.read() as session:
            place = await places.find(session, place_id)
        if place is None or not can_manage(caller, place):
            raise _no_place(place_id)
        return place

    async def put(self, place: Place, match: Tags | None, calendar: Calendar) -> tuple[Written, bool]:
        """Make or replace; whether it was made. What is booked stays as it is. Problems: 412, 428 for a later one."""
        async with self.units.begin() as work:
            reach = repository.reach(calendar, work.now.date())
            made = await repository.add(work.session, place.id, calendar, reach)
            before = await self._locked(work, place)
            if made:
                await self._materialize(work, place, calendar, calendar)
                return Written(place, before.version, calendar), True
            if before.calendar is not None:
                _require(match, before.version)
            if before.calendar == calendar:
                return Written(place, before.version, calendar), False
            await repository.advance(work.session, place.id, calendar, reach)
            await repository.drop_slots(work.session, place.id)
            await self._materialize(work, place, calendar, before.calendar or calendar)
            return Written(place, before.version + 1, calendar), before.calendar is None

    async def delete(self, place: Place, match: Tags) -> None:
        """No more slots; what is booked stays. Problems: 404, 412."""
        async with self.units.begin() as work:
            before = await self._locked(work, place)
            if before.calendar is None:
                raise _no_calendar()
            match.require(before.version)
            await self._remove(work, place, before.calendar)

    async def withdraw(self, work: UnitOfWork, place: Place) -> None:
        """The place is gone, and with it its calendar."""
        before = await repository.get(work.session, place.id, lock=True)
        if before is not None and before.calendar is not None:
            await self._remove(work, place, before.calendar)

    async def _locked(self, work: UnitOfWork, place: Place) -> repository.Stored:
        stored = await repository.get(work.session, place.id, lock=True)
        if stored is None:
            raise _no_calendar()
        return stored

    async def _remove(self, work: UnitOfWork, place: Place, calendar: Calendar) -> None:
        await repository.advance(work.session, place.id, None, None)
        await repository.drop_slots(work.session, place.id)
        await mark(work.session, place.npi, work.now, _end(calendar, work.now))

    async def _materialize(self, work: UnitOfWork, place: Place, calendar: Calendar, before: Calendar) -> None:
        today = work.now.date()
        first, reach = today - timedelta(1), repository.reach(calendar, today)
        made = await asyncio.to_thread(lambda: list(repository.rows_of(place.id, calendar, first, reach)))
        await repository.write_slots(work.session, made)
        last = max(_end(calendar, work.now), _end(before, work.now))
        await mark(work.session, place.npi, work.now, last)


def _require(match: Tags | None, version: int) -> None:
    if match is None:
        raise PreconditionRequired("There is a calendar. Read it and send its ETag as If-Match.")
    match.require(version)


def _end(calendar: Calendar, now: datetime) -> datetime:
    return now + timedelta(calendar.horizon_days + 1)


def _no_place(place_id: UUID) -> NotFound:
    return NotFound(f"There is no provider-location {place_id}, or its calendar isn't yours.")


def _no_calendar() -> NotFound:
    return NotFound("The provider-location has no calendar yet. PUT makes one.")
