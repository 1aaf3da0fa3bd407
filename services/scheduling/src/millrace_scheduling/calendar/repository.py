"""Database access for calendars and their slots."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Text, cast, delete, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import ReadSession, Session
from millrace_platform.database_errors import driver_errors_as_problems
from millrace_platform.statements import Statements, fetch_first
from millrace_scheduling.calendar.model import Calendar
from millrace_scheduling.calendar.slots import compute_segments
from millrace_scheduling.calendar.tables import calendars, slots

JOIN_CALENDAR: Final = "LEFT JOIN calendars c ON c.provider_location_id = p.id"
TIME_ZONE: Final = "coalesce(c.document ->> 'time_zone', p.time_zone) AS time_zone"
"""SQL of the time zone in which everything at a provider-location `p` with the calendar `c` is shown and published."""
_decoder = msgspec.json.Decoder(Calendar)
SLOT_COLUMNS = ("provider_location_id", "day", "segments")
_CALENDARS = select(
    calendars.c.provider_location_id,
    calendars.c.version,
    cast(calendars.c.document, Text).label("document"),
    calendars.c.materialized_to,
)

_TIME_ZONE_OF: Final = f"""
SELECT {TIME_ZONE} FROM provider_locations p {JOIN_CALENDAR} WHERE p.id = $1 AND NOT p.is_deleted
"""  # noqa: S608 # constants


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """A stored calendar; `calendar` is None if it was deleted. Slots exist for the days before `materialized_to`."""

    provider_location_id: UUID
    version: int
    calendar: Calendar | None
    materialized_to: date | None


def decode_calendar(document: str) -> Calendar:
    """Decode a calendar from its JSON in the database."""
    return _decoder.decode(document)


async def find(session: ReadSession, provider_location_id: UUID, *, for_update: bool = False) -> CalendarRow | None:
    """Return a provider-location's calendar row; None if it never had a calendar. `for_update` locks the row."""
    query = _CALENDARS.where(calendars.c.provider_location_id == provider_location_id)
    row = (await session.execute(query.with_for_update() if for_update else query)).one_or_none()
    return None if row is None else _calendar_row(row)


async def find_time_zone(session: Statements, provider_location_id: UUID) -> str | None:
    """Return the `TIME_ZONE` of a provider-location; None if it is unknown or deleted."""
    row = await fetch_first(session, _TIME_ZONE_OF, provider_location_id)
    return None if row is None else row["time_zone"]


async def list_with_own_time_zone(session: Session, provider_location_ids: Collection[UUID]) -> set[UUID]:
    """Return those of these provider-locations whose calendars don't follow the time zone of their location."""
    query = select(calendars.c.provider_location_id).where(
        calendars.c.provider_location_id.in_(provider_location_ids),
        calendars.c.document.is_not(None),
        ~calendars.c.document["follows_location"].as_boolean(),
    )
    return set((await session.execute(query)).scalars())


async def lock_followers(session: Session, provider_location_ids: Collection[UUID]) -> list[CalendarRow]:
    """Lock and return the calendars of these provider-locations that follow the time zone of their location."""
    query = (
        _CALENDARS.where(calendars.c.provider_location_id.in_(provider_location_ids))
        .where(calendars.c.document["follows_location"].as_boolean())
        .order_by(calendars.c.provider_location_id)
        .with_for_update()
    )
    return [_calendar_row(row) for row in await session.execute(query)]


async def add(session: Session, provider_location_id: UUID, calendar: Calendar, materialized_to: date) -> bool:
    """Insert a calendar with version 1; return False if the provider-location already has a row."""
    values = {"document": msgspec.to_builtins(calendar), "materialized_to": materialized_to}
    statement = (
        insert(calendars)
        .values(provider_location_id=provider_location_id, version=1, **values)
        .on_conflict_do_nothing()
    )
    return (await session.execute(statement.returning(literal(1)))).first() is not None


async def save_next_version(
    session: Session, provider_location_id: UUID, calendar: Calendar | None, materialized_to: date | None
) -> None:
    """Store the next version of a calendar whose row is locked; None deletes it."""
    values = {
        "document": None if calendar is None else msgspec.to_builtins(calendar),
        "materialized_to": materialized_to,
        "version": calendars.c.version + 1,
    }
    await session.execute(
        update(calendars).where(calendars.c.provider_location_id == provider_location_id).values(values)
    )


async def lock_behind_horizon(session: Session, today: date, limit: int) -> list[CalendarRow]:
    """Lock and return up to `limit` calendars whose slots don't reach their `slot_horizon`; skip locked ones."""
    behind = calendars.c.materialized_to < today + calendars.c.document["horizon_days"].as_integer() + 1
    query = (
        _CALENDARS.where(calendars.c.document.is_not(None), behind)
        .order_by(calendars.c.provider_location_id)
        .limit(limit)
    )
    return [_calendar_row(row) for row in await session.execute(query.with_for_update(skip_locked=True))]


async def save_materialized(session: Session, provider_location_ids: Sequence[UUID], today: date) -> None:
    """Record that these calendars have slots up to their horizon."""
    horizon = today + calendars.c.document["horizon_days"].as_integer() + 1
    await session.execute(
        update(calendars)
        .where(calendars.c.provider_location_id.in_(provider_location_ids))
        .values(materialized_to=horizon)
    )


async def delete_slots(session: Session, provider_location_id: UUID) -> None:
    await session.execute(delete(slots).where(slots.c.provider_location_id == provider_location_id))


async def delete_slots_before(session: Session, day: date) -> None:
    await session.execute(delete(slots).where(slots.c.day < day))


async def add_slots(session: Session, rows: Iterable[tuple[UUID, date, list[int]]]) -> None:
    """Insert rows made by `slot_rows` in bulk."""
    with driver_errors_as_problems(session.driver):
        await session.driver.copy_records_to_table(slots.name, columns=SLOT_COLUMNS, records=rows)


def slot_horizon(calendar: Calendar, today: date) -> date:
    """Return the day before which slots must exist.

    A day is added to UTC's `today` for time zones already in tomorrow.
    """
    return today + timedelta(calendar.horizon_days + 1)


def slot_rows(
    provider_location_id: UUID, calendar: Calendar, first: date, before: date
) -> Iterator[tuple[UUID, date, list[int]]]:
    """Yield a row of the table `slots` for each day from `first` until before `before` that has slots."""
    for ordinal in range(first.toordinal(), before.toordinal()):
        day = date.fromordinal(ordinal)
        numbers = [number for segment in compute_segments(calendar, day) for number in segment]
        if numbers:
            yield provider_location_id, day, numbers


def _calendar_row(row: Any) -> CalendarRow:
    calendar = None if row.document is None else decode_calendar(row.document)
    return CalendarRow(row.provider_location_id, row.version, calendar, row.materialized_to)
