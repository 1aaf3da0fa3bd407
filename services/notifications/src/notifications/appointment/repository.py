"""Visits in the database."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import Session
from notifications.appointment.model import Known, Visit
from notifications.appointment.tables import appointment


async def locked(session: Session, identifier: str) -> Known | None:
    """As it was last; who reads the same record at the same time waits until the transaction ends."""
    query = select(appointment).where(appointment.c.id == identifier).with_for_update()
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Known(row.version, row.state, row.start, row.provider_location_id)


async def put(session: Session, visit: Visit) -> bool:
    """Keep it; False where a version that isn't older is there already."""
    statement = insert(appointment).values(
        id=visit.id,
        version=visit.version,
        state=visit.state,
        start=visit.start,
        provider_location_id=visit.provider_location_id,
    )
    statement = statement.on_conflict_do_update(
        index_elements=["id"],
        set_={name: statement.excluded[name] for name in ("version", "state", "start", "provider_location_id")},
        where=appointment.c.version < statement.excluded.version,
    )
    return (await session.execute(statement.returning(appointment.c.id))).first() is not None
