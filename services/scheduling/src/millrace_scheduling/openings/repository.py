"""Database access for published openings, and for the dirty marks that the publisher of openings processes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, exists, false, func, insert, literal, select, tuple_

from millrace_platform.database import ReadSession, Session
from millrace_platform.statements import fetch
from millrace_scheduling.calendar.tables import calendars, slots
from millrace_scheduling.dirty_marks import MOMENT, dirty_openings
from millrace_scheduling.openings.tables import openings
from millrace_scheduling.provider_location.repository import provider_locations

CHANNEL = "millrace_openings"
ORDER_LOCK = 0x6D696C6C_6F70656E
"""Advisory lock ("millopen") under which `seq` is assigned, so that it increases in commit order."""

# The waitlist receives the marks instead of changed openings: time that becomes free and is reserved again before
# openings are recomputed changes none.
_TAKE_MARKS = """
WITH taken AS (
    DELETE FROM dirty_openings
    WHERE seq = ANY (ARRAY(SELECT seq FROM dirty_openings ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING npi, changed_from, changed_until, may_free_time
), dirty_waitlist AS (
    INSERT INTO dirty_waitlists (npi) SELECT DISTINCT npi FROM taken WHERE may_free_time
)
SELECT npi, changed_from, changed_until, ARRAY(
    SELECT p.id FROM provider_locations p
    WHERE p.npi = taken.npi AND EXISTS (SELECT FROM calendars c WHERE c.provider_location_id = p.id)
) FROM taken
"""
_ADD_WEEKS = """
INSERT INTO openings (provider_location_id, week, version, seq) SELECT provider_location_id, week, 0, 0
FROM unnest($1::uuid[], $2::date[]) AS each (provider_location_id, week) ON CONFLICT DO NOTHING
"""
_LOCK_WEEKS = """
SELECT o.provider_location_id, o.week, o.version, o.seq, o.data
FROM unnest($1::uuid[], $2::date[]) AS each (provider_location_id, week)
JOIN openings o USING (provider_location_id, week)
ORDER BY o.provider_location_id, o.week FOR UPDATE OF o
"""
# The join with `in_order` ensures that the lock is taken before any number is drawn.
_SAVE_WEEKS = """
WITH in_order AS MATERIALIZED (
    SELECT pg_advisory_xact_lock($4)
), saved AS (
    UPDATE openings o SET version = o.version + 1, seq = nextval('openings_seq'), data = each.data
    FROM in_order, unnest($1::uuid[], $2::date[], $3::bytea[]) AS each (provider_location_id, week, data)
    WHERE o.provider_location_id = each.provider_location_id AND o.week = each.week
    RETURNING o.provider_location_id
)
SELECT pg_notify($5, provider_location_id::text) FROM (SELECT DISTINCT provider_location_id FROM saved) AS changed
"""


@dataclass(frozen=True, slots=True)
class WeekRow:
    """The last published openings of a provider-location in a week, given by its Monday.

    `data` is the entity's JSON, None if there is none; `seq` orders all changes.
    """

    provider_location_id: UUID
    week: date
    version: int
    seq: int
    data: bytes | None


@dataclass(frozen=True, slots=True)
class DirtyMark:
    """A provider's time, from `changed_from` until `changed_until`, whose openings may have changed.

    `provider_location_ids` are the provider's locations that have or had a calendar, including deleted ones.
    """

    npi: str
    changed_from: datetime
    changed_until: datetime
    provider_location_ids: Sequence[UUID]


async def mark_notice_dirty(session: Session, now: datetime) -> None:
    """Request recomputation of openings within the minimum notice, for all calendars with slots until tomorrow.

    The waitlist isn't checked for these, because no time becomes free.
    """
    notice = func.make_interval(0, 0, 0, 0, 0, calendars.c.document["minimum_notice"].as_integer())
    has_slots = exists().where(
        slots.c.provider_location_id == calendars.c.provider_location_id, slots.c.day <= now.date() + timedelta(1)
    )
    marks = (
        select(provider_locations.c.npi, literal(now, MOMENT), literal(now, MOMENT) + notice, false())
        .join(calendars, calendars.c.provider_location_id == provider_locations.c.id)
        .where(calendars.c.document.is_not(None), has_slots)
    )
    await session.execute(
        insert(dirty_openings).from_select(["npi", "changed_from", "changed_until", "may_free_time"], marks)
    )


async def take_marks(session: Session, limit: int) -> list[DirtyMark]:
    """Delete and return the oldest marks that no other process has locked; have the waitlist checked for freed time.

    A rollback restores the marks.
    """
    return [DirtyMark(*row) for row in await fetch(session, _TAKE_MARKS, limit)]


async def lock_weeks(session: Session, weeks: Sequence[tuple[UUID, date]]) -> dict[tuple[UUID, date], WeekRow]:
    """Lock and return the rows of these weeks; first insert missing rows with version 0."""
    columns = tuple(zip(*sorted(set(weeks)), strict=True))
    await fetch(session, _ADD_WEEKS, *columns)
    return {(row[0], row[1]): WeekRow(*row) for row in await fetch(session, _LOCK_WEEKS, *columns)}


async def save_weeks(session: Session, changed: Sequence[tuple[UUID, date, bytes | None]]) -> None:
    """Store the next versions of weeks that are locked, and wake the streams. Must be the transaction's last step."""
    await fetch(session, _SAVE_WEEKS, *zip(*changed, strict=True), ORDER_LOCK, CHANNEL)


async def list_changed_weeks(
    session: ReadSession, provider_location_ids: Sequence[UUID], seq: int, since: date, limit: int
) -> list[WeekRow]:
    """Return the weeks from `since` on that changed after `seq`, in the order of their changes."""
    conditions = (
        openings.c.provider_location_id.in_(provider_location_ids),
        openings.c.week >= since,
        openings.c.seq > seq,
    )
    rows = await session.execute(select(openings).where(*conditions).order_by(openings.c.seq).limit(limit))
    return [WeekRow(*row) for row in rows]


async def lock_past_weeks(session: Session, before: date, limit: int) -> list[tuple[str, WeekRow]]:
    """Lock and return weeks before `before` that are still published, each with the NPI; skip locked ones."""
    query = (
        select(provider_locations.c.npi, *openings.c)
        .join(provider_locations, provider_locations.c.id == openings.c.provider_location_id)
        .where(openings.c.week < before, openings.c.data.is_not(None))
        .order_by(openings.c.provider_location_id, openings.c.week)
        .limit(limit)
        .with_for_update(of=openings, skip_locked=True)
    )
    return [(row[0], WeekRow(*row[1:])) for row in await session.execute(query)]


async def delete_past_weeks(session: Session, before: date) -> None:
    """Delete weeks that are over and whose deletion was published."""
    await session.execute(delete(openings).where(openings.c.week < before, openings.c.data.is_(None)))


async def list_weeks_after(
    session: ReadSession, after: tuple[UUID, date] | None, limit: int
) -> list[tuple[str, WeekRow]]:
    """Return weeks after the given one, each with the NPI, ordered by (provider-location id, week)."""
    query = (
        select(provider_locations.c.npi, *openings.c)
        .join(provider_locations, provider_locations.c.id == openings.c.provider_location_id)
        .where(openings.c.version > 0)
        .order_by(openings.c.provider_location_id, openings.c.week)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(openings.c.provider_location_id, openings.c.week) > tuple_(*map(literal, after)))
    return [(row[0], WeekRow(*row[1:])) for row in await session.execute(query)]
