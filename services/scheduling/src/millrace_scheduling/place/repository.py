"""Rows of places."""

from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import ReadSession, Session
from millrace_scheduling.place.model import Place
from millrace_scheduling.place.tables import places


async def find(session: ReadSession, identifier: UUID) -> Place | None:
    """The place; None where there is none, or none any more."""
    query = select(places).where(places.c.id == identifier, ~places.c.deleted)
    row = (await session.execute(query)).mappings().one_or_none()
    return None if row is None else Place(**row)


async def put(session: Session, found: Sequence[Place]) -> list[Place]:
    """Write what is newer than what is there; each place at most once. Which of them were."""
    if not found:
        return []
    # In one order, whoever writes: two consumers during a handover mustn't wait for each other.
    rows = [asdict(place) for place in sorted(found, key=lambda place: place.id)]
    statement = insert(places)
    newer = statement.on_conflict_do_update(
        index_elements=[places.c.id],
        set_={
            "practice_id": statement.excluded.practice_id,
            "time_zone": statement.excluded.time_zone,
            "version": statement.excluded.version,
            "deleted": statement.excluded.deleted,
        },
        where=places.c.version < statement.excluded.version,
    )
    written = set((await session.execute(newer.returning(places.c.id), rows)).scalars())
    return [place for place in found if place.id in written]
