"""Changes calendars: one transaction writes the calendar and its slots, and marks openings to be recomputed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from millrace_platform.authentication import Principal
from millrace_platform.database import ReadSession
from millrace_platform.errors import FieldError, NotFound, PreconditionRequired, Unprocessable
from millrace_platform.preconditions import Tags
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.access import can_manage
from millrace_scheduling.calendar import repository
from millrace_scheduling.calendar.model import Calendar, VersionedCalendar
from millrace_scheduling.calendar.repository import CalendarRow
from millrace_scheduling.dirty_marks import mark_dirty
from millrace_scheduling.provider_location import repository as provider_locations
from millrace_scheduling.provider_location.model import ProviderLocation
from millrace_scheduling.visit_limits import VisitPolicy


@dataclass(frozen=True, slots=True)
class CalendarService:
    """Reads and changes calendars for admins and the practice's staff; other callers get 404.

    `policy` limits what calendars allow. `publish_time_zone` publishes the appointments at a provider-location again
    after its time zone changed.
    """

    units: UnitsOfWork
    policy: VisitPolicy
    publish_time_zone: Callable[[UnitOfWork, UUID], Awaitable[None]]

    async def get(self, caller: Principal, provider_location_id: UUID) -> VersionedCalendar:
        """Return the calendar of a provider-location. Problems: 404."""
        async with self.units.database.read() as session:
            provider_location = await _get_managed(session, caller, provider_location_id)
            row = await repository.find(session, provider_location_id)
        if row is None or row.calendar is None:
            raise _no_calendar()
        return VersionedCalendar(provider_location, row.version, row.calendar)

    async def get_provider_location(self, caller: Principal, provider_location_id: UUID) -> ProviderLocation:
        """Return a provider-location whose calendar the caller can manage. Problems: 404."""
        async with self.units.database.read() as session:
            return await _get_managed(session, caller, provider_location_id)

    async def put(
        self, provider_location: ProviderLocation, match: Tags | None, calendar: Calendar
    ) -> tuple[VersionedCalendar, bool]:
        """Create or replace the calendar; return it, and whether it was created. Bookings stay as they are.

        Problems: 412, 422 if it allows more visits than the platform, and 428 if a calendar is to be replaced without
        `match`.
        """
        self._require_within_limits(calendar)
        async with self.units.begin() as work:
            location_zone = await self._lock_time_zone(work, provider_location)
            if calendar.follows_location:
                calendar = replace(calendar, time_zone=location_zone)
            horizon = repository.slot_horizon(calendar, work.now.date())
            is_first = await repository.add(work.session, provider_location.id, calendar, horizon)
            before = await self._get_for_update(work, provider_location)
            if before.calendar is not None and not is_first:
                _require_match(match, before.version)
                if before.calendar == calendar:
                    return VersionedCalendar(provider_location, before.version, calendar), False
            if is_first:
                version, zone_before = before.version, location_zone
                await self._materialize(work, provider_location, calendar, calendar)
            else:
                version = await self._replace(work, provider_location, before, calendar)
                zone_before = location_zone if before.calendar is None else before.calendar.time_zone
            if calendar.time_zone != zone_before:
                await self.publish_time_zone(work, provider_location.id)
            return VersionedCalendar(provider_location, version, calendar), is_first or before.calendar is None

    def _require_within_limits(self, calendar: Calendar) -> None:
        """Raise a 422 that names each limit of the calendar above that of the platform."""
        limits = {
            "visits_per_patient": (calendar.visits_per_patient, self.policy.usual.in_all),
            "first_day_visits_per_patient": (calendar.first_day_visits_per_patient, self.policy.first_day.in_all),
        }
        wrong = [
            FieldError(
                field=name,
                detail="More upcoming visits than an account can have in all.",
                remedy=f"Give a number up to {most}.",
            )
            for name, (own, most) in limits.items()
            if own is not None and own > most
        ]
        if wrong:
            raise Unprocessable(errors=wrong)

    async def follow_locations(self, work: UnitOfWork, moved: Sequence[ProviderLocation]) -> None:
        """Give the time zone of locations that moved to another one to the calendars that follow them.

        All that is shown and published of these provider-locations follows: slots, openings and appointments. Calendars
        with a time zone of their own stay as they are.
        """
        own_zones = await repository.list_with_own_time_zone(work.session, [each.id for each in moved])
        following = {each.id: each for each in moved if each.id not in own_zones}
        for row in await repository.lock_followers(work.session, following.keys()):
            provider_location = following[row.provider_location_id]
            if row.calendar is not None:
                calendar = replace(row.calendar, time_zone=provider_location.time_zone)
                await self._replace(work, provider_location, row, calendar)
        for provider_location_id in following:
            await self.publish_time_zone(work, provider_location_id)

    async def _replace(
        self, work: UnitOfWork, provider_location: ProviderLocation, before: CalendarRow, calendar: Calendar
    ) -> int:
        """Store the next version of a calendar with its slots; return the version."""
        horizon = repository.slot_horizon(calendar, work.now.date())
        await repository.save_next_version(work.session, provider_location.id, calendar, horizon)
        await repository.delete_slots(work.session, provider_location.id)
        await self._materialize(work, provider_location, calendar, before.calendar or calendar)
        return before.version + 1

    async def _lock_time_zone(self, work: UnitOfWork, provider_location: ProviderLocation) -> str:
        """Return the location's time zone, which can't change before the transaction ends. Problems: 404."""
        zone = await provider_locations.find_time_zone_for_share(work.session, provider_location.id)
        if zone is None:
            raise _no_provider_location()
        return zone

    async def delete(self, provider_location: ProviderLocation, match: Tags) -> None:
        """Delete the calendar with its slots. Bookings stay as they are. Problems: 404, 412."""
        async with self.units.begin() as work:
            location_zone = await self._lock_time_zone(work, provider_location)
            before = await self._get_for_update(work, provider_location)
            if before.calendar is None:
                raise _no_calendar()
            match.require(before.version)
            await self._delete(work, provider_location, before.calendar)
            if before.calendar.time_zone != location_zone:
                await self.publish_time_zone(work, provider_location.id)

    async def delete_with_provider_location(self, work: UnitOfWork, provider_location: ProviderLocation) -> None:
        """Delete the calendar, if any, of a provider-location that was deleted."""
        before = await repository.find(work.session, provider_location.id, for_update=True)
        if before is not None and before.calendar is not None:
            await self._delete(work, provider_location, before.calendar)

    async def _get_for_update(self, work: UnitOfWork, provider_location: ProviderLocation) -> CalendarRow:
        row = await repository.find(work.session, provider_location.id, for_update=True)
        if row is None:
            raise _no_calendar()
        return row

    async def _delete(self, work: UnitOfWork, provider_location: ProviderLocation, calendar: Calendar) -> None:
        await repository.save_next_version(work.session, provider_location.id, None, None)
        await repository.delete_slots(work.session, provider_location.id)
        await mark_dirty(work.session, provider_location.npi, work.now, _horizon(calendar, work.now))

    async def _materialize(
        self, work: UnitOfWork, provider_location: ProviderLocation, calendar: Calendar, before: Calendar
    ) -> None:
        """Insert a calendar's slots; have the openings recomputed wherever it or its predecessor has slots."""
        today = work.now.date()
        first, horizon = today - timedelta(1), repository.slot_horizon(calendar, today)
        rows = await asyncio.to_thread(
            lambda: list(repository.slot_rows(provider_location.id, calendar, first, horizon))
        )
        await repository.add_slots(work.session, rows)
        last = max(_horizon(calendar, work.now), _horizon(before, work.now))
        await mark_dirty(work.session, provider_location.npi, work.now, last)


async def _get_managed(session: ReadSession, caller: Principal, provider_location_id: UUID) -> ProviderLocation:
    provider_location = await provider_locations.find(session, provider_location_id)
    if provider_location is None or not can_manage(caller, provider_location):
        raise _no_provider_location()
    return provider_location


def _require_match(match: Tags | None, version: int) -> None:
    if match is None:
        raise PreconditionRequired("There is a calendar already. Get it and send its ETag as If-Match.")
    match.require(version)


def _horizon(calendar: Calendar, now: datetime) -> datetime:
    return now + timedelta(calendar.horizon_days + 1)


def _no_provider_location() -> NotFound:
    return NotFound("There is no such provider-location, or you have no access to its calendar.")


def _no_calendar() -> NotFound:
    return NotFound("The provider-location has no calendar yet. Create one with PUT.")
