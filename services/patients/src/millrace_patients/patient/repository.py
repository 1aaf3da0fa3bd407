"""Reads and writes the states of patients in the database."""

from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_patients.schema import patient
from millrace_platform.database import ReadSession, Session


async def is_active(session: ReadSession, identifier: UUID) -> bool:
    query = select(patient.c.id).where(patient.c.id == identifier, patient.c.state == "active")
    return await session.scalar(query) is not None


async def add(session: Session, identifier: UUID) -> bool:
    """Insert an active patient with version 1; return False if the patient exists."""
    row = {"id": identifier, "version": 1, "state": "active"}
    statement = insert(patient).values(row).on_conflict_do_nothing().returning(patient.c.id)
    return (await session.execute(statement)).first() is not None


async def erase(session: Session, identifier: UUID) -> int | None:
    """Mark a patient as erased and return the new version; None if there is no active patient."""
    statement = (
        update(patient)
        .where(patient.c.id == identifier, patient.c.state == "active")
        .values(state="erased", version=patient.c.version + 1)
    )
    version: int | None = (await session.execute(statement.returning(patient.c.version))).scalar_one_or_none()
    return version


async def list_states_after(session: ReadSession, after: UUID | None, limit: int) -> list[tuple[UUID, str, int]]:
    """Return up to `limit` tuples (id, state, version) with ids above `after`, sorted by id."""
    query = select(patient.c.id, patient.c.state, patient.c.version).order_by(patient.c.id).limit(limit)
    if after is not None:
        query = query.where(patient.c.id > after)
    return [(row.id, row.state, row.version) for row in await session.execute(query)]
