"""Rows of calendars and of the slots that they make."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import Text, cast, delete, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import ReadSession, Session
from millrace_platform.database_errors import problems_of_driver
from millrace_scheduling.calendar.model import Calendar
from millrace_scheduling.calendar.tables import calendars
from millrace_scheduling.slot.model import segments_of
from millrace_scheduling.slot.tables import slots

_decoder = msgspec.json.Decoder(Calendar)
SLOT_COLUMNS = ("place_id", "day", "segments")


@dataclass(frozen=True, slots=True)
class Stored:
    """A calendar at a version, None where it was deleted. Slots of the days before `materialized_to` are there."""

    place_id: UUID
    version: int
    calendar: Calendar | None
    materialized_to: date | None


def decoded(document: str) -> Calendar:
    """A calendar from its JSON in the database."""
    return _decoder.decode(document)


def document_of(calendar: Calendar) -> object:
    """A calendar as plain values for the database."""
    return msgspec.to_builtins(calendar)


_STORED = select(
    calendars.c.place_id,
    calendars.c.version,
    cast(calendars.c.document, Text).label("document"),
    calendars.c.materialized_to,
)


async def get(session: ReadSession, place_id: UUID, *, lock: bool = False) -> Stored | None:
    """The calendar; `lock`: nobody else changes it before the transaction ends."""
    query = _STORED.where(calendars.c.place_id == place_id)
    row = (await session.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        return None
    calendar = None if row.document is None else decoded(row.document)
    return Stored(row.place_id, row.version, calendar, row.materialized_to)


async def add(session: Session, place_id: UUID, calendar: Calendar, materialized_to: date) -> bool:
    """Insert with version 1; False where there is a row already."""
    values = {"document": document_of(calendar), "materialized_to": materialized_to}
    statement = insert(calendars).values(place_id=place_id, version=1, **values).on_conflict_do_nothing()
    return (await session.execute(statement.returning(literal(1)))).first() is not None


async def advance(session: Session, place_id: UUID, calendar: Calendar | None, materialized_to: date | None) -> None:
    """Write the next version; the row is locked."""
    values = {
        "document": None if calendar is None else document_of(calendar),
        "materialized_to": materialized_to,
        "version": calendars.c.version + 1,
    }
    await session.execute(update(calendars).where(calendars.c.place_id == place_id).values(values))


async def behind_horizon(session: Session, today: date, limit: int) -> list[Stored]:
    """Calendars whose slots don't reach `reach` yet, where nobody else is at them; they are locked."""
    behind = calendars.c.materialized_to < today + calendars.c.document["horizon_days"].as_integer() + 1
    query = _STORED.where(calendars.c.document.is_not(None), behind).order_by(calendars.c.place_id).limit(limit)
    rows = await session.execute(query.with_for_update(skip_locked=True))
    return [Stored(row.place_id, row.version, decoded(row.document), row.materialized_to) for row in rows]


async def reached(session: Session, place_ids: Sequence[UUID], today: date) -> None:
    """Note that slots of these calendars were written up to their horizon."""
    reach = today + calendars.c.document["horizon_days"].as_integer() + 1
    await session.execute(update(calendars).where(calendars.c.place_id.in_(place_ids)).values(materialized_to=reach))


async def drop_slots(session: Session, place_id: UUID) -> None:
    await session.execute(delete(slots).where(slots.c.place_id == place_id))


async def drop_days_before(session: Session, day: date) -> None:
    """Forget slots that lie behind."""
    await session.execute(delete(slots).where(slots.c.day < day))


async def write_slots(session: Session, made: Iterable[tuple[UUID, date, list[int]]]) -> None:
    """Add rows of slots (see `rows_of`), in bulk."""
    with problems_of_driver(session.driver):
        await session.driver.copy_records_to_table(slots.name, columns=SLOT_COLUMNS, records=made)


def reach(calendar: Calendar, today: date) -> date:
    """The day before which there must be slots on the UTC day `today`: in the east it is tomorrow already."""
    return today + timedelta(calendar.horizon_days + 1)


def rows_of(place_id: UUID, calendar: Calendar, first: date, before: date) -> Iterator[tuple[UUID, date, list[int]]]:
    """Rows of `slots`, for days that have any."""
    for ordinal in range(first.toordinal(), before.toordinal()):
        day = date.fromordinal(ordinal)
        numbers = [number for segment in segments_of(calendar, day) for number in segment]
        if numbers:
            yield place_id, day, numbers
