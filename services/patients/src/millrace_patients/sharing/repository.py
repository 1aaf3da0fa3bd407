"""Shares in the database."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from millrace_patients.sharing.tables import share
from millrace_platform.database import ReadSession, Session


@dataclass(frozen=True, slots=True)
class Share:
    """The practice's staff may read the patient's profile, dependants and insurance cards."""

    practice_id: UUID
    since: datetime


async def practices_of(session: ReadSession, patient_id: UUID) -> frozenset[str]:
    """Ids of the practices that a patient shares with, as tokens carry them."""
    return frozenset(str(each.practice_id) for each in await all_of(session, patient_id))


async def all_of(session: ReadSession, patient_id: UUID) -> list[Share]:
    query = select(share).where(share.c.patient_id == patient_id).order_by(share.c.practice_id)
    return [Share(row.practice_id, row.since) for row in await session.execute(query)]


async def count(session: ReadSession, patient_id: UUID) -> int:
    return await session.scalar(select(func.count()).select_from(share).where(share.c.patient_id == patient_id)) or 0


async def add(session: Session, patient_id: UUID, practice_id: UUID, now: datetime) -> None:
    """Nothing changes where it is shared already."""
    row = {"patient_id": patient_id, "practice_id": practice_id, "since": now}
    await session.execute(insert(share).values(row).on_conflict_do_nothing())


async def remove(session: Session, patient_id: UUID, practice_id: UUID) -> bool:
    """Whether there was a share."""
    gone = delete(share).where(share.c.patient_id == patient_id, share.c.practice_id == practice_id)
    return (await session.execute(gone.returning(share.c.practice_id))).first() is not None


async def remove_all(session: Session, patient_id: UUID) -> None:
    await session.execute(delete(share).where(share.c.patient_id == patient_id))
