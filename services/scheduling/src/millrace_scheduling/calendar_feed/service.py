"""Calendar feeds: staff and patients create and revoke them, calendar programs read them by their secret address."""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from millrace_platform.audit.model import Action, AuditEntry, Purpose
from millrace_platform.audit.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_platform.authentication import Principal, Role
from millrace_platform.errors import Conflict, Forbidden
from millrace_platform.ids import Ids
from millrace_scheduling.access import works_for
from millrace_scheduling.account import repository as accounts
from millrace_scheduling.appointment.model import Appointment
from millrace_scheduling.calendar_feed import repository
from millrace_scheduling.calendar_feed.document import render_document
from millrace_scheduling.calendar_feed.model import STAFF, CalendarFeed, LocationDetails, Reader, has_right
from millrace_scheduling.problems import not_found
from millrace_scheduling.provider_location import repository as provider_locations

PAST: Final = timedelta(days=30)
"""Age of the oldest visits in a feed; past visits are included so that programs receive recent cancellations."""
FEEDS_PER_USER: Final = 20


@dataclass(frozen=True, slots=True)
class RenderedFeed:
    """An iCalendar document, a digest of it, and when an appointment, a name or an address in it last changed."""

    content: bytes
    digest: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class CalendarFeedService:
    """Creates, revokes and renders calendar feeds. Of a feed's secret address only a digest is stored.

    `public_url` is the address of the website, with which links begin.
    """

    units: UnitsOfWork
    ids: Ids
    public_url: str

    async def create(
        self, caller: Principal, provider_location_id: UUID | None, npi: str | None
    ) -> tuple[CalendarFeed, str]:
        """Create a feed of the caller's own visits, or of a provider-location or provider of the caller's practice.

        Return it and its secret. Problems: 403, 404, 409 if the caller has too many feeds.
        """
        secret = secrets.token_urlsafe(32)
        async with self.units.begin() as work:
            feed = await self._new_feed(work, caller, provider_location_id, npi)
            if len(await repository.list_created_by(work.session, caller.subject, FEEDS_PER_USER)) == FEEDS_PER_USER:
                raise Conflict(f"You have {FEEDS_PER_USER} calendar feeds, which is the limit. Revoke one first.")
            await repository.add(work.session, feed, _digest(secret))
        return feed, secret

    async def list_own(self, caller: Principal) -> list[CalendarFeed]:
        """Return the feeds that the caller created, and confirm the right to those that the token has a right to."""
        async with self.units.begin() as work:
            feeds = await repository.list_created_by(work.session, caller.subject, FEEDS_PER_USER)
            confirmed = [feed.id for feed in feeds if works_for(caller, await self._practice_of(work, feed))]
            await repository.confirm(work.session, confirmed, work.now)
        return feeds

    async def list_of_practice(
        self, caller: Principal, practice_id: UUID, after: UUID | None, limit: int
    ) -> list[CalendarFeed]:
        """Return the staff feeds of a practice after an id, for its staff and administrators. Problems: 404."""
        async with self.units.begin() as work:
            is_known = caller.has(Role.ADMIN) and await provider_locations.has_practice(work.session, practice_id)
            if not is_known and not works_for(caller, practice_id):
                raise not_found("practice")
            return await repository.list_of_practice(work.session, practice_id, after, limit)

    async def revoke(self, caller: Principal, feed_id: UUID) -> None:
        """Delete a feed of the caller, or a staff feed: of the caller's practice, admins any one. Problems: 404."""
        async with self.units.begin() as work:
            feed = await repository.find(work.session, feed_id)
            if feed is None or not await self._can_revoke(work, caller, feed):
                raise not_found("calendar feed")
            await repository.delete(work.session, feed_id)

    async def render(self, secret: str, is_known: Callable[[RenderedFeed], bool]) -> RenderedFeed:
        """Return the iCalendar document of the feed with this secret.

        A document that the client doesn't know yet is an access to the appointments of others in it.

        Problems: 404, also if the creator's current roles don't permit what the feed lists.
        """
        async with self.units.begin() as work:
            feed = await repository.find_by_secret(work.session, _digest(secret))
            if feed is None or not await self._has_right(work, feed):
                raise not_found("calendar feed")
            appointments = await repository.list_appointments(work.session, feed, work.now - PAST)
            details = await self._find_details(work, appointments)
            rendered = self._render(feed, appointments, details)
            if not is_known(rendered):
                _record_access(work, feed, appointments)
        return rendered

    def _render(
        self, feed: CalendarFeed, appointments: Sequence[Appointment], details: Mapping[UUID, LocationDetails]
    ) -> RenderedFeed:
        reader = Reader.STAFF if feed.patient_id is None else Reader.PATIENT
        content = render_document(appointments, details, reader, self.public_url, name="Appointments")
        changes = (each.changed_at for each in details.values() if each.changed_at is not None)
        modified_at = max([feed.created_at, *(each.updated_at for each in appointments), *changes])
        return RenderedFeed(content, hashlib.sha256(content).hexdigest()[:32], modified_at)

    async def render_appointment(self, caller: Principal, appointment: Appointment) -> bytes:
        """Return the iCalendar document of one appointment that the caller may see."""
        async with self.units.begin() as work:
            details = await self._find_details(work, [appointment])
        reader = Reader.PATIENT if caller.subject == appointment.patient_id else Reader.STAFF
        return render_document([appointment], details, reader, self.public_url)

    async def _find_details(
        self, work: UnitOfWork, appointments: Sequence[Appointment]
    ) -> Mapping[UUID, LocationDetails]:
        return await repository.find_details(work.session, {each.visit.provider_location_id for each in appointments})

    async def _has_right(self, work: UnitOfWork, feed: CalendarFeed) -> bool:
        if feed.patient_id is not None:
            return True
        creator = await accounts.find(work.session, feed.created_by)
        return has_right(feed, await self._practice_of(work, feed), creator, work.now)

    async def _can_revoke(self, work: UnitOfWork, caller: Principal, feed: CalendarFeed) -> bool:
        if feed.created_by == caller.subject:
            return True
        is_of_staff = feed.patient_id is None
        return is_of_staff and (caller.has(Role.ADMIN) or works_for(caller, await self._practice_of(work, feed)))

    async def _practice_of(self, work: UnitOfWork, feed: CalendarFeed) -> UUID | None:
        """Return the practice whose appointments a staff feed lists: of a provider-location, its current one."""
        if feed.provider_location_id is None:
            return feed.practice_id
        provider_location = await provider_locations.find(work.session, feed.provider_location_id)
        return None if provider_location is None else provider_location.practice_id

    async def _new_feed(
        self, work: UnitOfWork, caller: Principal, provider_location_id: UUID | None, npi: str | None
    ) -> CalendarFeed:
        identifier, creator = self.ids(), caller.subject
        if provider_location_id is not None:
            provider_location = await provider_locations.find(work.session, provider_location_id)
            if provider_location is None or not works_for(caller, provider_location.practice_id):
                raise not_found("provider-location")
            return CalendarFeed(identifier, creator, work.now, work.now, provider_location_id=provider_location_id)
        if npi is not None:
            for provider_location in await provider_locations.list_by_npi(work.session, npi):
                practice_id = provider_location.practice_id
                if works_for(caller, practice_id):
                    return CalendarFeed(identifier, creator, work.now, work.now, npi=npi, practice_id=practice_id)
            raise not_found("provider")
        if not caller.has(Role.PATIENT):
            raise Forbidden("Only patients have a feed of their own. Give a provider-location or an NPI.")
        return CalendarFeed(identifier, creator, work.now, work.now, patient_id=creator)


def _record_access(work: UnitOfWork, feed: CalendarFeed, appointments: Sequence[Appointment]) -> None:
    """Add an entry for each other patient whose appointments the feed shows to the audit trail."""
    others = {each.patient_id for each in appointments} - {None, feed.created_by}
    for patient_id in filter(None, others):
        work.audit(
            AuditEntry(
                person_id=patient_id,
                action=Action.READ,
                target=f"calendar-feed/{feed.id}",
                purpose=Purpose.TREATMENT,
                actor_id=feed.created_by,
                roles=STAFF,
            )
        )


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
