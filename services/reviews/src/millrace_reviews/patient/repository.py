"""Reads and writes patients in the database.

Code that stores a patient's id in another table locks the patient's row first. So a concurrent erasure either comes
before, and the code notices it, or comes after, and erases the stored row.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import literal, select
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import Session
from millrace_reviews.schema import patient


async def lock_active(session: Session, identifiers: Iterable[str]) -> set[str]:
    """Insert unknown patients; share-lock the rows of those that are not erased, and return their ids."""
    ids = sorted(set(identifiers))
    if not ids:
        return set()
    rows = [{"id": identifier, "version": 0} for identifier in ids]
    await session.execute(insert(patient).values(rows).on_conflict_do_nothing())
    active = select(patient.c.id).where(patient.c.id.in_(ids), patient.c.erased_at.is_(None))
    found = await session.execute(active.order_by(patient.c.id).with_for_update(read=True))
    return set(found.scalars())


async def save_newer(session: Session, identifier: str, version: int, erased_at: datetime | None) -> bool:
    """Store a patient's state if its version is newer than the stored one; return whether it was stored."""
    statement = insert(patient).values(id=identifier, version=version, erased_at=erased_at)
    newer = statement.on_conflict_do_update(
        index_elements=[patient.c.id],
        set_={"version": version, "erased_at": erased_at},
        where=patient.c.version < version,
    )
    return (await session.execute(newer.returning(literal(1)))).first() is not None
