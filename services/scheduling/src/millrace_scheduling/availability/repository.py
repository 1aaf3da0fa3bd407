"""Loads calendars with slots, and occupied time, in one or two queries for any number of provider-locations."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from millrace_platform.statements import Statements, fetch
from millrace_scheduling.availability.explanation import ReservedTime
from millrace_scheduling.availability.model import NO_OCCUPIED_TIME, Timetable, decode_segments
from millrace_scheduling.calendar.model import Calendar
from millrace_scheduling.calendar.repository import decode_calendar
from millrace_scheduling.calendar.slots import OccupiedTime


def segments_expression(provider_location_id: str, first: str, last: str) -> str:
    """Return an SQL expression for the slots of a provider-location on these days, to be read by `decode_segments`."""
    return f"""(
    SELECT array_agg(segment.minute ORDER BY s.day, segment.number)
    FROM slots s, unnest(s.segments) WITH ORDINALITY AS segment (minute, number)
    WHERE s.provider_location_id = {provider_location_id} AND s.day BETWEEN {first} AND {last}
)"""  # noqa: S608 # constants


def _minute(moment: str) -> str:
    return f"extract(epoch FROM {moment})::bigint / 60"


_COLUMNS: Final = "p.npi, p.practice_id, p.time_zone, calendars.document::text AS document"
_TIMETABLES: Final = f"""
SELECT p.id, {_COLUMNS}, {segments_expression("p.id", "$2", "$3")} AS numbers
FROM provider_locations p LEFT JOIN calendars ON calendars.provider_location_id = p.id
WHERE p.id = ANY($1::uuid[]) AND NOT p.is_deleted
"""  # noqa: S608 # constants
_BEGIN, _END = _minute("lower(r.occupied)"), _minute("upper(r.occupied)")
# The occupied time of a reservation is within a day and a half of its start; local days are within a day of UTC days.
# Expired holds occupy no time.
_OVERLAPS: Final = """NOT r.is_released
    AND r.start >= timezone('UTC', {first} - interval '2 days')
    AND r.start < timezone('UTC', {last} + interval '3 days')
    AND (r.expires_at IS NULL OR r.expires_at > {now})"""
_WEEKS: Final = f"""
SELECT each.provider_location_id, each.week, {_COLUMNS}, reserved.begins, reserved.ends,
    {segments_expression("p.id", "each.week", "each.week + 6")} AS numbers
FROM unnest($1::uuid[], $2::date[]) AS each (provider_location_id, week)
JOIN provider_locations p ON p.id = each.provider_location_id
LEFT JOIN calendars ON calendars.provider_location_id = p.id
CROSS JOIN LATERAL (
    SELECT array_agg({_BEGIN}) AS begins, array_agg({_END}) AS ends FROM reservations r
    WHERE r.npi = p.npi AND {_OVERLAPS.format(first="each.week", last="(each.week + 6)", now="$3")}
) AS reserved
WHERE NOT p.is_deleted
"""  # noqa: S608 # constants
_FROM_DAYS: Final = f"""
FROM reservations r
WHERE r.npi = ANY($1::text[]) AND {_OVERLAPS.format(first="$2::date", last="$3::date", now="$4")}
"""
# Arrays, because a thousand rows cost the client more time than the database.
_OCCUPIED: Final = f"SELECT r.npi, array_agg({_BEGIN}), array_agg({_END}) {_FROM_DAYS} GROUP BY r.npi"
_START = _minute("r.start")
_RESERVED: Final = f"SELECT r.kind = 'hold', {_START}, {_START} + r.minutes, {_BEGIN}, {_END} {_FROM_DAYS}"


async def load_timetables(
    session: Statements, provider_location_ids: Sequence[UUID], first: date, last: date
) -> dict[UUID, Timetable]:
    """Return timetables by provider-location id, without unknown provider-locations."""
    rows = await fetch(session, _TIMETABLES, provider_location_ids, first, last)
    return {row["id"]: _timetable(row["id"], row) for row in rows}


async def load_timetable(
    session: Statements, provider_location_id: UUID, first: date, last: date, now: datetime
) -> tuple[Timetable, OccupiedTime] | None:
    """Return a provider-location's timetable and its provider's occupied time at all locations; None if unknown."""
    timetable = (await load_timetables(session, [provider_location_id], first, last)).get(provider_location_id)
    if timetable is None:
        return None
    occupied = await load_occupied_time(session, [timetable.npi], first, last, now)
    return timetable, occupied.get(timetable.npi, NO_OCCUPIED_TIME)


async def load_weeks(
    session: Statements, weeks: Sequence[tuple[UUID, date]], now: datetime
) -> dict[tuple[UUID, date], tuple[Timetable, OccupiedTime]]:
    """Return timetables and occupied time by (provider-location id, Monday), without unknown provider-locations."""
    return {
        (row["provider_location_id"], row["week"]): (
            _timetable(row["provider_location_id"], row),
            OccupiedTime(zip(row["begins"] or (), row["ends"] or (), strict=True)),
        )
        for row in await fetch(session, _WEEKS, *zip(*weeks, strict=True), now)
    }


def _timetable(provider_location_id: UUID, row: Any) -> Timetable:
    calendar = None if row["document"] is None else decode_calendar_cached(row["document"])
    zone = row["time_zone"] if calendar is None else calendar.time_zone
    segments = decode_segments(row["numbers"] or ())
    return Timetable(provider_location_id, row["npi"], row["practice_id"], zone, calendar, segments)


@lru_cache(maxsize=4096)
def decode_calendar_cached(document: str) -> Calendar:
    """Return a calendar from its JSON in the database; caches the last 4,096."""
    return decode_calendar(document)


async def load_occupied_time(
    session: Statements, npis: Sequence[str], first: date, last: date, now: datetime
) -> Mapping[str, OccupiedTime]:
    """Return each provider's occupied time at all locations by NPI, without providers that have no reservations."""
    if not npis:
        return {}
    rows = await fetch(session, _OCCUPIED, npis, first, last, now)
    return {npi: OccupiedTime(zip(begins, ends, strict=True)) for npi, begins, ends in rows}


async def load_reserved_times(session: Statements, npi: str, day: date, now: datetime) -> list[ReservedTime]:
    """Return a provider's reservations from two days before until two days after a UTC day, without expired holds."""
    return [ReservedTime(*row) for row in await fetch(session, _RESERVED, [npi], day, day, now)]
