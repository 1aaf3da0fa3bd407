"""Marks of what was touched, and rows of what was told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import DateTime, delete, exists, false, func, insert, literal, select, tuple_

from millrace_platform.database import ReadSession, Session
from millrace_platform.statements import fetch
from millrace_scheduling.calendar.tables import calendars
from millrace_scheduling.openings.tables import dirty_openings, openings
from millrace_scheduling.place.tables import places
from millrace_scheduling.slot.tables import slots

_MOMENT = DateTime(timezone=True)
CHANNEL = "millrace_openings"
ORDER_LOCK = 0x6D696C6C_6F70656E
"""Advisory lock ("millopen") under which `seq` is given: it rises in the order of the commits."""


# The waitlist is told of the marks and not of what is told here: time that came free and was taken again meanwhile, or
# the other way round, leaves openings as they were.
_TAKE = """
WITH taken AS (
    DELETE FROM dirty_openings
    WHERE seq = ANY (ARRAY(SELECT seq FROM dirty_openings ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING npi, first, last, frees
), passed_on AS (
    INSERT INTO dirty_lines (npi) SELECT DISTINCT npi FROM taken WHERE frees
)
SELECT npi, first, last, ARRAY(
    SELECT p.id FROM places p WHERE p.npi = taken.npi AND EXISTS (SELECT FROM calendars c WHERE c.place_id = p.id)
) FROM taken
"""
_ADD = """
INSERT INTO openings (place_id, week, version, seq) SELECT place_id, week, 0, 0
FROM unnest($1::uuid[], $2::date[]) AS each (place_id, week) ON CONFLICT DO NOTHING
"""
_LOCK = """
SELECT o.place_id, o.week, o.version, o.seq, o.data
FROM unnest($1::uuid[], $2::date[]) AS each (place_id, week) JOIN openings o USING (place_id, week)
ORDER BY o.place_id, o.week FOR UPDATE OF o
"""
# No number is drawn before the lock is had, which every row is joined with.
_TELL = """
WITH in_order AS MATERIALIZED (
    SELECT pg_advisory_xact_lock($4)
), told AS (
    UPDATE openings o SET version = o.version + 1, seq = nextval('openings_seq'), data = each.data
    FROM in_order, unnest($1::uuid[], $2::date[], $3::bytea[]) AS each (place_id, week, data)
    WHERE o.place_id = each.place_id AND o.week = each.week
    RETURNING o.place_id
)
SELECT pg_notify($5, place_id::text) FROM (SELECT DISTINCT place_id FROM told) AS places
"""


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
    """A stretch of a provider's time that was touched.

    `place_ids` are its places that have or had openings to tell of, deleted ones too.
    """

    npi: str
    first: datetime
    last: datetime
    place_ids: Sequence[UUID]


async def mark(session: Session, npi: str, first: datetime, last: datetime) -> None:
    """Have the openings of that time told anew, at all places of the provider, once the transaction is committed."""
    await session.execute(insert(dirty_openings).values(npi=npi, first=first, last=last))


async def take(session: Session, limit: int) -> list[Mark]:
    """Remove the oldest marks that nobody else is at, and mark the lines of whom they free time of.

    They come back unless the transaction commits.
    """
    return [Mark(*row) for row in await fetch(session, _TAKE, limit)]


async def lock(session: Session, weeks: Sequence[tuple[UUID, date]]) -> dict[tuple[UUID, date], Told]:
    """What was told of these places and weeks; they stay locked. What was never told has version 0 from now on."""
    columns = tuple(zip(*sorted(set(weeks)), strict=True))
    await fetch(session, _ADD, *columns)
    return {(row[0], row[1]): Told(*row) for row in await fetch(session, _LOCK, *columns)}


async def tell(session: Session, changed: Sequence[tuple[UUID, date, bytes | None]]) -> None:
    """Write the next versions of rows that are locked, and wake the streams. It is the transaction's last step."""
    await fetch(session, _TELL, *zip(*changed, strict=True), ORDER_LOCK, CHANNEL)


async def read_after(session: ReadSession, place_ids: Sequence[UUID], seq: int, since: date, limit: int) -> list[Told]:
    """What was told of these places behind `seq`, in its order; weeks from `since` on."""
    mine = openings.c.place_id.in_(place_ids), openings.c.week >= since, openings.c.seq > seq
    rows = await session.execute(select(openings).where(*mine).order_by(openings.c.seq).limit(limit))
    return [Told(*row) for row in rows]


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
        select(places.c.npi, literal(now, _MOMENT), literal(now, _MOMENT) + notice, false())
        .join(calendars, calendars.c.place_id == places.c.id)
        .where(calendars.c.document.is_not(None), today)
    )
    await session.execute(insert(dirty_openings).from_select(["npi", "first", "last", "frees"], marks))


async def mark_places(session: Session, place_ids: Sequence[UUID], first: datetime, last: datetime) -> None:
    """As `mark`, for the providers of these places."""
    npis = (
        select(places.c.npi, literal(first, _MOMENT), literal(last, _MOMENT))
        .where(places.c.id.in_(place_ids))
        .distinct()
    )
    await session.execute(insert(dirty_openings).from_select(["npi", "first", "last"], npis))
