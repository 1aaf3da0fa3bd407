"""Visits in the database."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_notifications.appointment.model import Known, Visit
from millrace_notifications.appointment.tables import appointment
from millrace_platform.database import Session

UNSEEN = 0
"""The version of a row that was made to be locked."""


async def locked(session: Session, visits: Iterable[Visit]) -> dict[str, Known]:
    """What was known of them, by id; who applies the same records at the same time waits until the transaction ends."""
    rows = {visit.id: {**_row(visit), "version": UNSEEN} for visit in visits}
    ordered = [rows[identifier] for identifier in sorted(rows)]
    # A visit that was never seen has no row to wait for: it gets one first.
    await session.execute(insert(appointment).on_conflict_do_nothing(), ordered)
    query = select(appointment).where(appointment.c.id.in_(rows)).order_by(appointment.c.id).with_for_update()
    found = (await session.execute(query)).all()
    return {
        row.id: Known(row.version, row.state, row.start, row.provider_location_id)
        for row in found
        if row.version != UNSEEN
    }


async def put(session: Session, visits: Iterable[Visit]) -> None:
    """Keep locked visits as they are now."""
    changed = update(appointment).where(appointment.c.id == bindparam("locked_id"))
    rows = [{**_row(visit), "locked_id": visit.id} for visit in visits]
    if rows:
        await session.execute(changed, rows)


def _row(visit: Visit) -> Mapping[str, Any]:
    return {
        "id": visit.id,
        "version": visit.version,
        "state": visit.state,
        "start": visit.start,
        "provider_location_id": visit.provider_location_id,
    }
