"""States of appointments in the database: only the columns needed to detect changes."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Table, Text, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_notifications.appointment.model import Appointment, AppointmentState
from millrace_notifications.tables import metadata
from millrace_platform.database import Session

table = Table(
    "appointment",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("start", DateTime(timezone=True), nullable=False),
    Column("provider_location_id", Text, nullable=False),
)

PLACEHOLDER_VERSION = 0
"""Version of a row that was inserted only to be locked."""


async def lock_states(session: Session, appointments: Iterable[Appointment]) -> dict[str, AppointmentState]:
    """Lock the appointments until the transaction ends; return the stored states by id, without new appointments."""
    rows = {each.id: {**_row(each), "version": PLACEHOLDER_VERSION} for each in appointments}
    ordered = [rows[identifier] for identifier in sorted(rows)]
    # A new appointment has no row to lock, so a placeholder is inserted first.
    await session.execute(insert(table).on_conflict_do_nothing(), ordered)
    query = select(table).where(table.c.id.in_(rows)).order_by(table.c.id).with_for_update()
    return {
        row.id: msgspec.convert(row, AppointmentState, from_attributes=True)
        for row in await session.execute(query)
        if row.version != PLACEHOLDER_VERSION
    }


async def update_states(session: Session, appointments: Iterable[Appointment]) -> None:
    """Store the states of locked appointments."""
    statement = update(table).where(table.c.id == bindparam("locked_id"))
    rows = [{**_row(each), "locked_id": each.id} for each in appointments]
    if rows:
        await session.execute(statement, rows)


def _row(appointment: Appointment) -> dict[str, Any]:
    return {"id": appointment.id, **asdict(AppointmentState.of(appointment))}
