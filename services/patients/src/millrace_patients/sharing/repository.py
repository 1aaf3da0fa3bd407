"""Reads and writes shares in the database."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_patients.schema import share, visit_share
from millrace_patients.sharing.model import Scope, Share, SharedVisit
from millrace_platform.database import ReadSession, Session


async def list_all(session: ReadSession, patient_id: UUID) -> list[Share]:
    query = select(share).where(share.c.patient_id == patient_id).order_by(share.c.practice_id)
    return [Share(row.practice_id, row.shared_at, Scope(row.scope)) for row in await session.execute(query)]


async def list_visits(session: ReadSession, patient_id: UUID, practice_ids: Collection[UUID]) -> list[SharedVisit]:
    """Return the patient's visits at these practices since the patient last ended the share with each."""
    query = select(visit_share).where(
        visit_share.c.patient_id == patient_id, visit_share.c.practice_id.in_(practice_ids), ~visit_share.c.is_ended
    )
    return [
        SharedVisit(row.appointment_id, row.practice_id, row.patient_id, row.dependant_id, row.insurance_card_id)
        for row in await session.execute(query)
    ]


async def count(session: ReadSession, patient_id: UUID) -> int:
    return await session.scalar(select(func.count()).select_from(share).where(share.c.patient_id == patient_id)) or 0


async def add(session: Session, patient_id: UUID, practice_id: UUID, scope: Scope, now: datetime) -> None:
    """Insert a share unless it exists; the scope `all` replaces `visits`."""
    row = {"patient_id": patient_id, "practice_id": practice_id, "scope": scope.value, "shared_at": now}
    statement = insert(share).values(row)
    if scope is Scope.ALL:
        statement = statement.on_conflict_do_update(
            index_elements=[share.c.patient_id, share.c.practice_id], set_={"scope": Scope.ALL.value}
        )
    else:
        statement = statement.on_conflict_do_nothing()
    await session.execute(statement)


async def add_visit(session: Session, visit: SharedVisit) -> bool:
    """Insert a visit; return False if it was inserted before."""
    statement = insert(visit_share).values(asdict(visit)).on_conflict_do_nothing()
    return (await session.execute(statement.returning(visit_share.c.appointment_id))).first() is not None


async def remove(session: Session, patient_id: UUID, practice_id: UUID) -> bool:
    """Delete a share, and end those of the visits at the practice; return whether it existed."""
    of_practice = (visit_share.c.patient_id == patient_id, visit_share.c.practice_id == practice_id)
    no_data = {"is_ended": True, "dependant_id": None, "insurance_card_id": None}
    await session.execute(update(visit_share).where(*of_practice).values(no_data))
    conditions: tuple[ColumnElement[bool], ...] = (share.c.patient_id == patient_id, share.c.practice_id == practice_id)
    return (await session.execute(delete(share).where(*conditions).returning(share.c.practice_id))).first() is not None


async def remove_all(session: Session, patient_id: UUID) -> None:
    """Delete all shares of a patient, with the visits."""
    await session.execute(delete(share).where(share.c.patient_id == patient_id))
    await session.execute(delete(visit_share).where(visit_share.c.patient_id == patient_id))
