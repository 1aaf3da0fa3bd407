"""Marks of what was touched, and rows of what was told."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, and_, delete, exists, func, insert, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert

from millrace_platform.database import ReadSession, Session
from millrace_platform.database_errors import problems_of_driver
from scheduling.calendar.tables import calendars
from scheduling.openings.tables import dirty_openings, openings
from scheduling.place.tables import places
from scheduling.slot.tables import slots

_MOMENT = DateTime(timezone=True)
CHANNEL = "millrace_openings"
ORDER_LOCK = 0x6D696C6C_6F70656E
"""Advisory lock ("millopen") under which `seq` is given: it rises in the order of the commits."""


_TELL = """
UPDATE openings SET version = version + 1, seq = nextval('openings_seq'), data = $3 WHERE place_id = $1 AND week = $2
"""
_WAKE = "SELECT pg_notify($1, id::text) FROM unnest($2::uuid[]) AS id"


@dataclass(frozen=True, slots=True)
class Told:
    """The openings of a place in the week of a Monday, as they were told last; `data` is the entity's JSON."""

    place_id: UUID
    week: date
    version: int
    seq: int
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a provider's time that was touched."""

    npi: str
    first: datetime
    last: datetime


async def mark(session: Session, npi: str, first: datetime, last: datetime) -> None:
    """Have the openings of that time told anew, at all places of the provider, once the transaction is committed."""
    await session.execute(insert(dirty_openings).values(npi=npi, first=first, last=last))


async def take(session: Session, limit: int) -> list[Mark]:
    """Remove the oldest marks that nobody else is at; they come back unless the transaction commits."""
    oldest = select(dirty_openings.c.seq).order_by(dirty_openings.c.seq).limit(limit).with_for_update(skip_locked=True)
    taken = delete(dirty_openings).where(dirty_openings.c.seq.in_(oldest.scalar_subquery()))
    columns = dirty_openings.c.npi, dirty_openings.c.first, dirty_openings.c.last
    return [Mark(*row) for row in await session.execute(taken.returning(*columns))]


async def lock(session: Session, weeks: Sequence[tuple[UUID, date]]) -> dict[tuple[UUID, date], Told]:
    """What was told of these places and weeks; they stay locked. What was never told has version 0 from now on."""
    ordered = sorted(set(weeks))
    rows = [{"place_id": place_id, "week": week, "version": 0, "seq": 0} for place_id, week in ordered]
    await session.execute(upsert(openings).values(rows).on_conflict_do_nothing())
    found = select(openings).where(_among(ordered)).order_by(openings.c.place_id, openings.c.week).with_for_update()
    return {(row.place_id, row.week): Told(*row) for row in await session.execute(found)}


def _among(weeks: Sequence[tuple[UUID, date]]) -> ColumnElement[bool]:
    by_week: dict[date, list[UUID]] = {}
    for place_id, week in weeks:
        by_week.setdefault(week, []).append(place_id)
    return or_(*(and_(openings.c.week == week, openings.c.place_id.in_(ids)) for week, ids in by_week.items()))


async def tell(session: Session, changed: Sequence[tuple[UUID, date, bytes | None]]) -> None:
    """Write the next versions of rows that are locked, and wake the streams. It is the transaction's last step."""
    await session.execute(select(func.pg_advisory_xact_lock(ORDER_LOCK)))
    with problems_of_driver(session.driver):
        await session.driver.executemany(_TELL, changed)
        await session.driver.execute(_WAKE, CHANNEL, list({place_id for place_id, _, _ in changed}))


async def read_after(session: ReadSession, place_ids: Sequence[UUID], seq: int, since: date, limit: int) -> list[Told]:
    """What was told of these places behind `seq`, in its order; weeks from `since` on."""
    mine = openings.c.place_id.in_(place_ids), openings.c.week >= since, openings.c.seq > seq
    rows = await session.execute(select(openings).where(*mine).order_by(openings.c.seq).limit(limit))
    return [Told(*row) for row in rows]


async def providers(session: ReadSession, npis: Collection[str]) -> list[tuple[UUID, str]]:
    """Places of these providers that have or had openings to tell of, deleted ones too."""
    known = exists().where(calendars.c.place_id == places.c.id)
    rows = await session.execute(select(places.c.id, places.c.npi).where(places.c.npi.in_(npis), known))
    return [(row.id, row.npi) for row in rows]


async def outdated(session: Session, before: date, limit: int) -> list[tuple[str, Told]]:
    """What was told of weeks that are over, with the provider; locked."""
    query = (
        select(places.c.npi, *openings.c)
        .join(places, places.c.id == openings.c.place_id)
        .where(openings.c.week < before, openings.c.data.is_not(None))
        .order_by(openings.c.place_id, openings.c.week)
        .limit(limit)
        .with_for_update(of=openings, skip_locked=True)
    )
    return [(row[0], Told(*row[1:])) for row in await session.execute(query)]


async def forget(session: Session, before: date) -> None:
    """Remove weeks of which nothing will be told any more."""
    await session.execute(delete(openings).where(openings.c.week < before, openings.c.data.is_(None)))


async def replayed(session: ReadSession, after: tuple[UUID, date] | None, limit: int) -> list[tuple[str, Told]]:
    """Everything that was told, with the provider, in the order of places and weeks."""
    query = (
        select(places.c.npi, *openings.c)
        .join(places, places.c.id == openings.c.place_id)
        .where(openings.c.version > 0)
        .order_by(openings.c.place_id, openings.c.week)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(openings.c.place_id, openings.c.week) > tuple_(*map(literal, after)))
    return [(row[0], Told(*row[1:])) for row in await session.execute(query)]


async def mark_aging(session: Session, now: datetime) -> None:
    """Mark what notice keeps from being booked by now, wherever there are slots these days."""
    notice = func.make_interval(0, 0, 0, 0, 0, calendars.c.document["minimum_notice"].as_integer())
    today = exists().where(slots.c.place_id == calendars.c.place_id, slots.c.day <= now.date() + timedelta(1))
    marks = (
        select(places.c.npi, literal(now, _MOMENT), literal(now, _MOMENT) + notice)
        .join(calendars, calendars.c.place_id == places.c.id)
        .where(calendars.c.document.is_not(None), today)
    )
    await session.execute(insert(dirty_openings).from_select(["npi", "first", "last"], marks))


async def mark_places(session: Session, place_ids: Sequence[UUID], first: datetime, last: datetime) -> None:
    """As `mark`, for the providers of these places."""
    npis = (
        select(places.c.npi, literal(first, _MOMENT), literal(last, _MOMENT))
        .where(places.c.id.in_(place_ids))
        .distinct()
    )
    await session.execute(insert(dirty_openings).from_select(["npi", "first", "last"], npis))
