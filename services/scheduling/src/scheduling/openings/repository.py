"""Marks of what was touched, and rows of what was told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Select, and_, delete, func, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from millrace_platform.database import ReadSession, Session
from scheduling.openings.tables import dirty_openings, openings, openings_seq
from scheduling.place.tables import places

_MOMENT = DateTime(timezone=True)
ORDER_LOCK = 0x6D696C6C_6F70656E
"""Advisory lock ("millopen") under which `seq` is given: it rises in the order of the commits."""


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
    """Write the next versions of rows that are locked."""
    await session.execute(select(func.pg_advisory_xact_lock(ORDER_LOCK)))
    for place_id, week, data in changed:
        row = openings.c.place_id == place_id, openings.c.week == week
        values = {"version": openings.c.version + 1, "seq": openings_seq.next_value(), "data": data}
        await session.execute(update(openings).where(*row).values(values))


def told_after(place_ids: Sequence[UUID], seq: int, limit: int) -> Select[UUID, date, int, int, bytes | None]:
    """What was told of these places behind `seq`, in its order."""
    query = select(openings).where(openings.c.place_id.in_(place_ids), openings.c.seq > seq)
    return query.order_by(openings.c.seq).limit(limit)


async def read_after(session: ReadSession, place_ids: Sequence[UUID], seq: int, limit: int) -> list[Told]:
    return [Told(*row) for row in await session.execute(told_after(place_ids, seq, limit))]


async def mark_places(session: Session, place_ids: Sequence[UUID], first: datetime, last: datetime) -> None:
    """As `mark`, for the providers of these places."""
    npis = (
        select(places.c.npi, literal(first, _MOMENT), literal(last, _MOMENT))
        .where(places.c.id.in_(place_ids))
        .distinct()
    )
    await session.execute(insert(dirty_openings).from_select(["npi", "first", "last"], npis))
