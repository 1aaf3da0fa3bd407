"""States of appointments in the database."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_notifications.appointment.model import Appointment, AppointmentState
from millrace_notifications.appointment.tables import appointment as table
from millrace_platform.database import Session

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
        row.id: AppointmentState(row.version, row.state, row.start, row.provider_location_id)
        for row in (await session.execute(query)).all()
        if row.version != PLACEHOLDER_VERSION
    }


async def update_states(session: Session, appointments: Iterable[Appointment]) -> None:
    """Store the states of locked appointments."""
    statement = update(table).where(table.c.id == bindparam("locked_id"))
    rows = [{**_row(each), "locked_id": each.id} for each in appointments]
    if rows:
        await session.execute(statement, rows)


def _row(appointment: Appointment) -> Mapping[str, Any]:
    return {
        "id": appointment.id,
        "version": appointment.version,
        "state": appointment.state,
        "start": appointment.start,
        "provider_location_id": appointment.provider_location_id,
    }
