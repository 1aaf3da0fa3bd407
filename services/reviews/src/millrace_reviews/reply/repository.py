"""Reads and writes replies. Callers that write must have locked the review's row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import ReadSession, Session
from millrace_reviews.schema import reply


@dataclass(frozen=True, slots=True)
class Reply:
    """One version of a reply; `text` is None if it was deleted."""

    version: int
    text: str | None


async def find(session: ReadSession, review_id: UUID) -> Reply | None:
    query = select(reply.c.version, reply.c.text).where(reply.c.review_id == review_id)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Reply(*row)


async def save(session: Session, review_id: UUID, after: Reply, now: datetime) -> None:
    values = {"version": after.version, "text": after.text, "changed_at": now}
    statement = insert(reply).values(review_id=review_id, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=[reply.c.review_id], set_=values))


async def remove_all(session: Session, review_ids: Sequence[UUID], now: datetime) -> None:
    """Delete the replies to these reviews; their rows stay as tombstones."""
    statement = update(reply).where(reply.c.review_id.in_(review_ids), reply.c.text.is_not(None))
    await session.execute(statement.values(text=None, version=reply.c.version + 1, changed_at=now))
