"""Calendar feeds: made by who may see the appointments, read by who has the address, revoked at any time."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select

from millrace_platform.authentication import Principal, Role
from millrace_platform.errors import Conflict, Forbidden
from millrace_platform.ids import Ids
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.access import can_manage
from millrace_scheduling.ics import repository
from millrace_scheduling.ics.document import document
from millrace_scheduling.ics.model import Feed
from millrace_scheduling.place import repository as places
from millrace_scheduling.place.model import Place
from millrace_scheduling.place.tables import places as place_table
from millrace_scheduling.problems import not_found

PAST: Final = timedelta(days=30)
"""How far back a feed reaches: cancellations of that time still have to reach the calendars that had the visit."""
MOST: Final = 20
"""Feeds that one person makes."""


@dataclass(frozen=True, slots=True)
class FeedService:
    """`secret` makes the unguessable part of an address; only its digest is kept."""

    units: UnitsOfWork
    ids: Ids
    secret: Callable[[], str]

    async def make(self, caller: Principal, place_id: UUID | None, npi: str | None) -> tuple[Feed, str]:
        """A feed and its secret, which is shown this once. Problems: 403, 404, 409 where there are many."""
        secret = self.secret()
        async with self.units.begin() as work:
            feed = await self._feed(work, caller, place_id, npi)
            if len(await repository.own(work.session, caller.subject, MOST)) == MOST:
                raise Conflict(f"There are at most {MOST} feeds of one person. Revoke one.")
            await repository.add(work.session, feed, _digest(secret))
        return feed, secret

    async def own(self, caller: Principal) -> list[Feed]:
        """Those that the caller made, without their secrets."""
        async with self.units.begin() as work:
            return await repository.own(work.session, caller.subject, MOST)

    async def revoke(self, caller: Principal, feed_id: UUID) -> None:
        """By who made it. Problems: 404."""
        async with self.units.begin() as work:
            feed = await repository.find(work.session, feed_id)
            if feed is None or feed.created_by != caller.subject:
                raise not_found("feed", feed_id)
            await repository.remove(work.session, feed_id)

    async def read(self, secret: str) -> bytes:
        """The document behind an address. Problems: 404."""
        async with self.units.begin() as work:
            feed = await repository.by_secret(work.session, _digest(secret))
            if feed is None:
                raise not_found("feed", "at this address")
            found = await repository.appointments(work.session, feed, work.now - PAST)
        return document(found, name="Appointments")

    async def _feed(self, work: UnitOfWork, caller: Principal, place_id: UUID | None, npi: str | None) -> Feed:
        identifier, who = self.ids(), caller.subject
        if place_id is not None:
            place = await places.find(work.session, place_id)
            if place is None or not can_manage(caller, place):
                raise not_found("provider-location", place_id)
            return Feed(identifier, who, work.now, place_id=place_id)
        if npi is not None:
            place = await _kept_place(work, caller, npi)
            return Feed(identifier, who, work.now, npi=npi, practice_id=place.practice_id)
        if not caller.has(Role.PATIENT):
            raise Forbidden("Name a provider-location or a provider; a feed of one's own is for patients.")
        return Feed(identifier, who, work.now, patient_id=who)


async def _kept_place(work: UnitOfWork, caller: Principal, npi: str) -> Place:
    """A place of the provider that the caller can_manage. Problems: 404."""
    query = select(place_table).where(place_table.c.npi == npi, ~place_table.c.deleted).order_by(place_table.c.id)
    for row in (await work.session.execute(query)).mappings():
        place = Place(**row)
        if can_manage(caller, place):
            return place
    raise not_found("provider", npi)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
