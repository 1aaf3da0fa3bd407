"""Reads calendars with their slots, and what is taken: a query each, however many places are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Row, Text, Uuid, and_, any_, cast, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from millrace_platform.database import ReadSession
from scheduling.availability.explanation import Taken
from scheduling.availability.model import segments_from
from scheduling.calendar.model import Calendar
from scheduling.calendar.repository import decoded
from scheduling.calendar.tables import calendars
from scheduling.claim.tables import claims
from scheduling.place.tables import places
from scheduling.slot.model import Occupied, Segment
from scheduling.slot.tables import slots

_FAR = timedelta(days=1)
"""More than a visit with its buffers reaches from its start."""
_number = func.unnest(slots.c.segments).table_valued("number", with_ordinality="position").render_derived()


@dataclass(frozen=True, slots=True)
class Timetable:
    """A place with its calendar, None where it has none, and its slots on the days that were asked for."""

    place_id: UUID
    npi: str
    practice_id: UUID | None
    time_zone: str
    calendar: Calendar | None
    segments: list[Segment]


async def timetables(session: ReadSession, place_ids: Sequence[UUID], first: date, last: date) -> dict[UUID, Timetable]:
    """Of the places that there are."""
    numbers = (
        select(func.array_agg(aggregate_order_by(_number.c.number, slots.c.day, _number.c.position)))
        .select_from(slots.join(_number, true()))
        .where(slots.c.place_id == places.c.id, slots.c.day.between(first, last))
        .correlate(places)
        .scalar_subquery()
        .label("numbers")
    )
    query = (
        select(places, cast(calendars.c.document, Text).label("document"), numbers)
        .select_from(places.outerjoin(calendars, calendars.c.place_id == places.c.id))
        .where(places.c.id == any_(literal(list(place_ids), ARRAY(Uuid))), ~places.c.deleted)
    )
    rows = await session.execute(query)
    return {row.id: _timetable(row) for row in rows}


def _timetable(row: Row[Any]) -> Timetable:
    calendar = None if row.document is None else calendar_from(row.document)
    zone = row.time_zone if calendar is None else calendar.time_zone
    return Timetable(row.id, row.npi, row.practice_id, zone, calendar, segments_from(row.numbers or ()))


@lru_cache(maxsize=4096)
def calendar_from(document: str) -> Calendar:
    """A calendar from its JSON; the last some thousand are kept."""
    return decoded(document)


def _minute(moment: ColumnElement[datetime]) -> ColumnElement[int]:
    return cast(func.extract("epoch", moment) / 60, BigInteger)


_BEGIN, _END = _minute(func.lower(claims.c.occupied)), _minute(func.upper(claims.c.occupied))


def _taken(npis: Sequence[str], first: date, last: date, now: datetime) -> ColumnElement[bool]:
    """Live claims of the providers that can reach into these days; a hold whose time is over is none any more."""
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC) - 2 * _FAR
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + 3 * _FAR
    unexpired = or_(claims.c.expires_at.is_(None), claims.c.expires_at > now)
    theirs = claims.c.npi == any_(literal(list(npis), ARRAY(Text)))
    return and_(claims.c.live, theirs, claims.c.start.between(begin, end), unexpired)


async def occupied(
    session: ReadSession, npis: Sequence[str], first: date, last: date, now: datetime
) -> Mapping[str, Occupied]:
    """By provider: whoever is at one place is at no other."""
    if not npis:
        return {}
    # Arrays, because a thousand rows cost the client more than the database.
    query = select(claims.c.npi, func.array_agg(_BEGIN), func.array_agg(_END)).group_by(claims.c.npi)
    rows = await session.execute(query.where(_taken(npis, first, last, now)))
    return {npi: Occupied(zip(begins, ends, strict=True)) for npi, begins, ends in rows}


async def taken(session: ReadSession, npi: str, day: date, now: datetime) -> list[Taken]:
    """What occupies a provider on a day and those beside it."""
    begin = _minute(claims.c.start)
    query = select(claims.c.kind == "hold", begin, begin + claims.c.minutes, _BEGIN, _END)
    rows = await session.execute(query.where(_taken([npi], day, day, now)))
    return [Taken(*row) for row in rows]
