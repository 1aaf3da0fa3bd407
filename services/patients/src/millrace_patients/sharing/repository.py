"""Reads and writes shares in the database."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from millrace_patients.schema import share
from millrace_platform.database import ReadSession, Session


@dataclass(frozen=True, slots=True)
class Share:
    """Permission of a practice's staff to read the patient's profile, dependants and insurance cards."""

    practice_id: UUID
    shared_at: datetime


async def list_practice_ids(session: ReadSession, patient_id: UUID) -> frozenset[str]:
    """Return the ids of the practices a patient shares with, as text as in access tokens."""
    return frozenset(str(each.practice_id) for each in await list_all(session, patient_id))


async def list_all(session: ReadSession, patient_id: UUID) -> list[Share]:
    query = select(share).where(share.c.patient_id == patient_id).order_by(share.c.practice_id)
    return [Share(row.practice_id, row.shared_at) for row in await session.execute(query)]


async def count(session: ReadSession, patient_id: UUID) -> int:
    return await session.scalar(select(func.count()).select_from(share).where(share.c.patient_id == patient_id)) or 0


async def add(session: Session, patient_id: UUID, practice_id: UUID, now: datetime) -> None:
    """Insert a share unless it exists."""
    row = {"patient_id": patient_id, "practice_id": practice_id, "shared_at": now}
    await session.execute(insert(share).values(row).on_conflict_do_nothing())


async def remove(session: Session, patient_id: UUID, practice_id: UUID) -> bool:
    """Delete a share; return whether it existed."""
    statement = delete(share).where(share.c.patient_id == patient_id, share.c.practice_id == practice_id)
    return (await session.execute(statement.returning(share.c.practice_id))).first() is not None


async def remove_all(session: Session, patient_id: UUID) -> None:
    await session.execute(delete(share).where(share.c.patient_id == patient_id))
