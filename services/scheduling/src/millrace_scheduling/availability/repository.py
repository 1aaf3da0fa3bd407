"""Loads calendars with slots, and occupied time, in one or two queries for any number of provider-locations."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from millrace_platform.statements import Statements, fetch, fetch_first
from millrace_scheduling.availability.explanation import ReservedTime
from millrace_scheduling.availability.model import NO_OCCUPIED_TIME, Timetable, decode_segments
from millrace_scheduling.calendar.model import Calendar
from millrace_scheduling.calendar.repository import JOIN_CALENDAR, TIME_ZONE, decode_calendar
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


_COLUMNS: Final = f"p.npi, p.practice_id, {TIME_ZONE}, c.document::text AS document"
_TIMETABLES: Final = f"""
SELECT p.id, {_COLUMNS}, {segments_expression("p.id", "$2", "$3")} AS numbers
FROM provider_locations p {JOIN_CALENDAR}
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
{JOIN_CALENDAR}
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
_RESERVED: Final = f"""
SELECT r.kind = 'hold', {_START}, {_START} + r.minutes, {_BEGIN}, {_END} {_FROM_DAYS}
    AND r.id IS DISTINCT FROM $5::uuid
"""  # noqa: S608 # constants


def booking_context_query(provider_location_id: str, start: str, now: str, own_id: str = "NULL") -> str:
    """Return the SQL of a SELECT of what decides about a visit at `start`, to be read by `booking_context_from`.

    The arguments are SQL expressions. The reservation `own_id` doesn't count as occupied time.
    """
    # A day of the calendar's time zone may be the day before or after that of UTC. Visits with their buffers last at
    # most a day and a half.
    start, now = f"{start}::timestamptz", f"{now}::timestamptz"
    day = f"timezone('UTC', {start})::date"
    return f"""
SELECT p.id, {_COLUMNS}, reserved.begins, reserved.ends,
    {segments_expression("p.id", f"{day} - 1", f"{day} + 1")} AS numbers
FROM provider_locations p {JOIN_CALENDAR}
CROSS JOIN LATERAL (
    SELECT array_agg({_BEGIN}) AS begins, array_agg({_END}) AS ends FROM reservations r
    WHERE r.npi = p.npi AND NOT r.is_released AND (r.expires_at IS NULL OR r.expires_at > {now})
        AND r.start > {start} - interval '36 hours' AND r.start < {start} + interval '36 hours'
        AND r.id IS DISTINCT FROM {own_id}::uuid
) AS reserved
WHERE p.id = {provider_location_id} AND NOT p.is_deleted
"""  # noqa: S608 # constants


_BOOKING_CONTEXT: Final = booking_context_query("$1", "$2", "$3", "$4")


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
            _occupied_time(row),
        )
        for row in await fetch(session, _WEEKS, *zip(*weeks, strict=True), now)
    }


async def find_booking_context(
    session: Statements, provider_location_id: UUID, start: datetime, now: datetime, own_id: UUID | None = None
) -> tuple[Timetable, OccupiedTime] | None:
    """Return what decides about a visit at `start`; None for an unknown provider-location.

    The reservation `own_id` doesn't count as occupied time.
    """
    row = await fetch_first(session, _BOOKING_CONTEXT, provider_location_id, start, now, own_id)
    return None if row is None else booking_context_from(row)


def booking_context_from(row: Any) -> tuple[Timetable, OccupiedTime] | None:
    """Convert a row of `booking_context_query`; return None if the row has no provider-location."""
    return None if row["id"] is None else (_timetable(row["id"], row), _occupied_time(row))


def _occupied_time(row: Any) -> OccupiedTime:
    return OccupiedTime(zip(row["begins"] or (), row["ends"] or (), strict=True))


def _timetable(provider_location_id: UUID, row: Any) -> Timetable:
    calendar = None if row["document"] is None else decode_calendar_cached(row["document"])
    segments = decode_segments(row["numbers"] or ())
    return Timetable(provider_location_id, row["npi"], row["practice_id"], row["time_zone"], calendar, segments)


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


async def load_reserved_times(
    session: Statements, npi: str, start: datetime, now: datetime, own_id: UUID | None = None
) -> list[ReservedTime]:
    """Return a provider's reservations within two days of `start`, without expired holds and without `own_id`."""
    day = start.astimezone(UTC).date()
    return [ReservedTime(*row) for row in await fetch(session, _RESERVED, [npi], day, day, now, own_id)]
