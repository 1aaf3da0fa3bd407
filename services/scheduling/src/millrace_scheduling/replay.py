"""Publish the current openings, appointments and waitlist offers again, page by page, e.g. after events were lost."""

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

KeyedEvent: TypeAlias = tuple[str, Event]
"""An event, and its key, after which a replay can continue."""
Source: TypeAlias = Callable[[Session, str | None, int], Awaitable[list[KeyedEvent]]]


@dataclass(frozen=True, slots=True)
class ReplayPage:
    """A page of a replay: how many entities were published, and the `after` of the next page, null after the last."""

    count: int
    next: str | None


async def _list_openings(session: Session, after: str | None, limit: int) -> list[KeyedEvent]:
    last = None
    if after is not None:
        provider_location_id, _, week = after.partition("/")
        last = UUID(provider_location_id), date.fromisoformat(week)
    return [
        (
            f"{row.provider_location_id}/{row.week}",
            openings_event(npi, row.provider_location_id, row.week, row.version, row.data),
        )
        for npi, row in await openings.list_weeks_after(session, last, limit)
    ]


async def _list_appointments(session: Session, after: str | None, limit: int) -> list[KeyedEvent]:
    rows = await appointments.list_after(session, _parse_id(after), limit)
    return [(str(each.id), appointment_event(each)) for each in rows]


async def _list_offers(session: Session, after: str | None, limit: int) -> list[KeyedEvent]:
    # Only open offers, because no consumer stores closed ones.
    rows = await waitlist.list_offers_after(session, _parse_id(after), limit)
    return [(str(row.offer.id), offer_event(row.entry, row.offer, row.provider_location)) for row in rows]


def _parse_id(after: str | None) -> UUID:
    return UUID(int=0) if after is None else UUID(after)


SOURCES: Sequence[tuple[str, Source]] = (
    ("openings", _list_openings),
    ("appointments", _list_appointments),
    ("waitlist-offers", _list_offers),
)
"""The sources in the order of the replay; a cursor is `<source>:<key>`."""


async def publish_replay_page(units: UnitsOfWork, after: str | None, limit: int) -> ReplayPage:
    """Publish up to `limit` entities after a cursor with their current versions.

    Problems: 422 for an invalid cursor.
    """
    index, key = _parse_cursor(after)
    name, list_events = SOURCES[index]
    async with units.begin() as work:
        try:
            events = await list_events(work.session, key, limit)
        except ValueError as error:
            raise _invalid_cursor() from error
        await work.publish_replay([event for _, event in events])
    if len(events) == limit:
        return ReplayPage(len(events), f"{name}:{events[-1][0]}")
    return ReplayPage(len(events), f"{SOURCES[index + 1][0]}:" if index + 1 < len(SOURCES) else None)


def _parse_cursor(after: str | None) -> tuple[int, str | None]:
    """Return the index of the source, and the key after which to continue; None to begin with its first entity."""
    if after is None:
        return 0, None
    source, _, key = after.partition(":")
    for index, (name, _list) in enumerate(SOURCES):
        if name == source:
            return index, key or None
    raise _invalid_cursor()


def _invalid_cursor() -> Unprocessable:
    wrong = FieldError(
        field="after", detail="The cursor isn't valid.", remedy="Give the `next` of the previous page unchanged."
    )
    return Unprocessable(errors=[wrong])
