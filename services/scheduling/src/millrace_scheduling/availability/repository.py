"""Reads calendars with their slots, and what is taken, in a query or two however many places are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from millrace_platform.statements import Statements, fetch
from millrace_scheduling.availability.explanation import Taken
from millrace_scheduling.availability.model import segments_from
from millrace_scheduling.calendar.model import Calendar
from millrace_scheduling.calendar.repository import decoded
from millrace_scheduling.slot.model import Occupied, Segment


def numbers_of(place: str, first: str, last: str) -> str:
    """An expression: the numbers of all slots of a place on the days from `first` to `last`, for `segments_from`."""
    return f"""(
    SELECT array_agg(segment.minute ORDER BY s.day, segment.number)
    FROM slots s, unnest(s.segments) WITH ORDINALITY AS segment (minute, number)
    WHERE s.place_id = {place} AND s.day BETWEEN {first} AND {last}
)"""  # noqa: S608 # constants


def _minute(moment: str) -> str:
    return f"extract(epoch FROM {moment})::bigint / 60"


_COLUMNS: Final = "p.npi, p.practice_id, p.time_zone, calendars.document::text AS document"
_TIMETABLES: Final = f"""
SELECT p.id, {_COLUMNS}, {numbers_of("p.id", "$2", "$3")} AS numbers
FROM places p LEFT JOIN calendars ON calendars.place_id = p.id
WHERE p.id = ANY($1::uuid[]) AND NOT p.deleted
"""  # noqa: S608 # constants
_BEGIN, _END = _minute("lower(c.occupied)"), _minute("upper(c.occupied)")
# Claims reach at most a day and a half from their start, and the days of a zone a day from those of UTC. A hold whose
# time is over is none any more.
_REACHING: Final = """c.live
    AND c.start >= timezone('UTC', {first} - interval '2 days')
    AND c.start < timezone('UTC', {last} + interval '3 days')
    AND (c.expires_at IS NULL OR c.expires_at > {now})"""
_WEEKS: Final = f"""
SELECT each.place_id, each.week, {_COLUMNS}, {numbers_of("p.id", "each.week", "each.week + 6")} AS numbers,
    taken.begins, taken.ends
FROM unnest($1::uuid[], $2::date[]) AS each (place_id, week)
JOIN places p ON p.id = each.place_id
LEFT JOIN calendars ON calendars.place_id = p.id
CROSS JOIN LATERAL (
    SELECT array_agg({_BEGIN}) AS begins, array_agg({_END}) AS ends FROM claims c
    WHERE c.npi = p.npi AND {_REACHING.format(first="each.week", last="(each.week + 6)", now="$3")}
) AS taken
WHERE NOT p.deleted
"""  # noqa: S608 # constants
_OF_DAYS: Final = (
    f"FROM claims c WHERE c.npi = ANY($1::text[]) AND {_REACHING.format(first='$2::date', last='$3::date', now='$4')}"
)
# Arrays, because a thousand rows cost the client more than the database.
_OCCUPIED: Final = f"SELECT c.npi, array_agg({_BEGIN}), array_agg({_END}) {_OF_DAYS} GROUP BY c.npi"
_START = _minute("c.start")
_TAKEN: Final = f"SELECT c.kind = 'hold', {_START}, {_START} + c.minutes, {_BEGIN}, {_END} {_OF_DAYS}"


@dataclass(frozen=True, slots=True)
class Timetable:
    """A place with its calendar, None where it has none, and its slots on the days that were asked for."""

    place_id: UUID
    npi: str
    practice_id: UUID | None
    time_zone: str
    calendar: Calendar | None
    segments: list[Segment]


async def timetables(session: Statements, place_ids: Sequence[UUID], first: date, last: date) -> dict[UUID, Timetable]:
    """Of the places that there are."""
    rows = await fetch(session, _TIMETABLES, place_ids, first, last)
    return {row["id"]: _timetable(row["id"], row) for row in rows}


async def weeks(
    session: Statements, wanted: Sequence[tuple[UUID, date]], now: datetime
) -> dict[tuple[UUID, date], tuple[Timetable, Occupied]]:
    """Places in the weeks of Mondays, each with what is taken of its provider's time."""
    return {
        (row["place_id"], row["week"]): (
            _timetable(row["place_id"], row),
            Occupied(zip(row["begins"] or (), row["ends"] or (), strict=True)),
        )
        for row in await fetch(session, _WEEKS, *zip(*wanted, strict=True), now)
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


async def occupied(
    session: Statements, npis: Sequence[str], first: date, last: date, now: datetime
) -> Mapping[str, Occupied]:
    """By provider: whoever is at one place is at no other."""
    if not npis:
        return {}
    rows = await fetch(session, _OCCUPIED, npis, first, last, now)
    return {npi: Occupied(zip(begins, ends, strict=True)) for npi, begins, ends in rows}


async def taken(session: Statements, npi: str, day: date, now: datetime) -> list[Taken]:
    """What occupies a provider on a day and those beside it."""
    return [Taken(*row) for row in await fetch(session, _TAKEN, [npi], day, day, now)]
