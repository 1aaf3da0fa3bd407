"""Patients in the database. Whoever writes a patient's id into a row holds the patient first, so that an erasure at the
same moment comes either before, and is seen, or after, and finds the row."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import literal, select
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import Session
from millrace_reviews.patient.tables import patient


async def hold(session: Session, identifiers: Iterable[str]) -> set[str]:
    """Which of these aren't erased. They stay so until the transaction ends; unknown ones are made known."""
    wanted = sorted(set(identifiers))
    if not wanted:
        return set()
    rows = [{"id": identifier, "version": 0} for identifier in wanted]
    await session.execute(insert(patient).values(rows).on_conflict_do_nothing())
    living = select(patient.c.id).where(patient.c.id.in_(wanted), patient.c.erased_at.is_(None))
    found = await session.execute(living.order_by(patient.c.id).with_for_update(read=True))
    return set(found.scalars())


async def put(session: Session, identifier: str, version: int, erased_at: datetime | None) -> bool:
    """Take over a newer state; False where it is known already."""
    statement = insert(patient).values(id=identifier, version=version, erased_at=erased_at)
    newer = statement.on_conflict_do_update(
        index_elements=[patient.c.id],
        set_={"version": version, "erased_at": erased_at},
        where=patient.c.version < version,
    )
    return (await session.execute(newer.returning(literal(1)))).first() is not None
