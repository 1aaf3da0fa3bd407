"""Sending what was told again, page by page, under the versions that it has: refills what was lost behind the feed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias
from uuid import UUID

from millrace_platform.database import Session
from millrace_platform.errors import FieldError, Unprocessable
from millrace_platform.unit_of_work import Event, UnitsOfWork
from millrace_scheduling.appointment import repository as appointments
from millrace_scheduling.appointment.wire import appointment_event
from millrace_scheduling.openings import repository as openings
from millrace_scheduling.openings.wire import openings_event
from millrace_scheduling.waitlist import repository as waitlist
from millrace_scheduling.waitlist.wire import offer_event

Keyed: TypeAlias = tuple[str, Event]
"""An event and the key behind which the next one is found."""
Source: TypeAlias = Callable[[Session, str | None, int], Awaitable[list[Keyed]]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many entities were sent again; `next`, unless null, is to be given as `after`."""

    count: int
    next: str | None


async def _openings(session: Session, after: str | None, limit: int) -> list[Keyed]:
    behind = None
    if after is not None:
        place_id, _, week = after.partition("/")
        behind = UUID(place_id), date.fromisoformat(week)
    return [
        (f"{told.place_id}/{told.week}", openings_event(npi, told.place_id, told.week, told.version, told.data))
        for npi, told in await openings.replayed(session, behind, limit)
    ]


async def _appointments(session: Session, after: str | None, limit: int) -> list[Keyed]:
    found = await appointments.list_after(session, _behind(after), limit)
    return [(str(each.id), appointment_event(each)) for each in found]


async def _offers(session: Session, after: str | None, limit: int) -> list[Keyed]:
    # Only those that stand: of one that was taken or lapsed nobody keeps anything.
    found = await waitlist.list_offers_after(session, _behind(after), limit)
    return [(str(each.offer.id), offer_event(each.entry, each.offer, each.place)) for each in found]


def _behind(after: str | None) -> UUID:
    return UUID(int=0) if after is None else UUID(after)


SOURCES: Sequence[tuple[str, Source]] = (
    ("openings", _openings),
    ("appointments", _appointments),
    ("waitlist-offers", _offers),
)
"""What is sent, in this order; a cursor is `<source>:<key>`."""


async def replay(units: UnitsOfWork, after: str | None, limit: int) -> Replayed:
    """Emit one page. Raises a 422 problem for a cursor that isn't one."""
    index, key = _position(after)
    name, source = SOURCES[index]
    async with units.begin() as work:
        try:
            found = await source(work.session, key, limit)
        except ValueError as error:
            raise _not_a_cursor() from error
        await work.publish_replay([event for _, event in found])
    if len(found) == limit:
        return Replayed(len(found), f"{name}:{found[-1][0]}")
    return Replayed(len(found), f"{SOURCES[index + 1][0]}:" if index + 1 < len(SOURCES) else None)


def _position(after: str | None) -> tuple[int, str | None]:
    if after is None:
        return 0, None
    wanted, _, key = after.partition(":")
    for index, (name, _source) in enumerate(SOURCES):
        if name == wanted:
            return index, key or None
    raise _not_a_cursor()


def _not_a_cursor() -> Unprocessable:
    wrong = FieldError(field="after", detail="Not a position of a replay.", remedy="Give `next` as it came.")
    return Unprocessable(errors=[wrong])
