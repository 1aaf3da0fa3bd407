"""Reads calendars with their slots, and what is taken: a query each, however many places are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Text, Uuid, and_, any_, cast, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from millrace_platform.database import ReadSession, Session
from scheduling.availability.explanation import Taken
from scheduling.availability.model import segments_from
from scheduling.calendar.model import Calendar
from scheduling.calendar.repository import decoded
from scheduling.calendar.tables import calendars
from scheduling.claim.tables import claims
from scheduling.place.tables import places
from scheduling.slot.model import Occupied, Segment
from scheduling.slot.tables import slots
from scheduling.statements import fetch

_FAR = timedelta(days=1)
"""More than a visit with its buffers reaches from its start."""
_WEEKS = """
SELECT each.place_id, each.week, p.npi, p.practice_id, p.time_zone, c.document::text AS document, (
    SELECT array_agg(segment.minute ORDER BY s.day, segment.number)
    FROM slots s, unnest(s.segments) WITH ORDINALITY AS segment (minute, number)
    WHERE s.place_id = each.place_id AND s.day BETWEEN each.week AND each.week + 6
) AS numbers
FROM unnest($1::uuid[], $2::date[]) AS each (place_id, week)
JOIN places p ON p.id = each.place_id LEFT JOIN calendars c ON c.place_id = p.id
WHERE NOT p.deleted
"""
# Claims reach at most a day and a half from their start, and the days of a zone a day from those of UTC.
_TAKEN_IN_WEEKS = """
SELECT each.npi, each.week, array_agg(extract(epoch FROM lower(c.occupied))::bigint / 60),
    array_agg(extract(epoch FROM upper(c.occupied))::bigint / 60)
FROM unnest($1::text[], $2::date[]) AS each (npi, week) JOIN claims c ON c.npi = each.npi AND c.live
    AND c.start >= timezone('UTC', (each.week - 2)::timestamp) AND c.start < timezone('UTC', (each.week + 9)::timestamp)
    AND (c.expires_at IS NULL OR c.expires_at > $3)
GROUP BY each.npi, each.week
"""
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
    rows = (await session.execute(query)).mappings()
    return {row["id"]: _timetable(row["id"], row) for row in rows}


async def weeks(
    session: Session, wanted: Sequence[tuple[UUID, date]], now: datetime
) -> dict[tuple[UUID, date], tuple[Timetable, Occupied]]:
    """Places in the weeks of Mondays, each with what is taken of its provider's time."""
    rows = await fetch(session, _WEEKS, *zip(*wanted, strict=True))
    found = {(row["place_id"], row["week"]): _timetable(row["place_id"], row) for row in rows}
    keys = sorted({(timetable.npi, week) for (_, week), timetable in found.items()})
    taken: dict[tuple[str, date], Occupied] = {}
    if keys:
        for npi, week, begins, ends in await fetch(session, _TAKEN_IN_WEEKS, *zip(*keys, strict=True), now):
            taken[npi, week] = Occupied(zip(begins, ends, strict=True))
    nothing = Occupied(())
    return {
        (place_id, week): (timetable, taken.get((timetable.npi, week), nothing))
        for (place_id, week), timetable in found.items()
    }


def _timetable(place_id: UUID, row: Any) -> Timetable:
    calendar = None if row["document"] is None else calendar_from(row["document"])
    zone = row["time_zone"] if calendar is None else calendar.time_zone
    segments = segments_from(row["numbers"] or ())
    return Timetable(place_id, row["npi"], row["practice_id"], zone, calendar, segments)


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
