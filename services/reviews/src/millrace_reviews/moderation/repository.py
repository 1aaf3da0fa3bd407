"""Flags and decisions in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, insert, select
from sqlalchemy.dialects import postgresql

from millrace_platform.database import ReadSession, Session
from millrace_reviews.moderation.tables import decision, flag
from millrace_reviews.review.model import Reason, Review, Standing
from millrace_reviews.review.tables import review

FLAGGED: ColumnElement[bool] = exists().where(flag.c.review_id == review.c.id)


async def put_flag(session: Session, review_id: UUID, reporter_id: str, reason: Reason, now: datetime) -> None:
    """One a reporter: a second one takes the place of the first. The caller holds the reporter."""
    values = {"reason": reason.value, "at": now}
    statement = postgresql.insert(flag).values(review_id=review_id, reporter_id=reporter_id, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=list(flag.primary_key), set_=values))


async def flags_of(session: ReadSession, review_ids: Sequence[UUID]) -> Mapping[UUID, Mapping[str, int]]:
    """How many flagged each review, by reason; reviews without flags are left out."""
    query = select(flag.c.review_id, flag.c.reason, func.count()).where(flag.c.review_id.in_(review_ids))
    found: dict[UUID, dict[str, int]] = {}
    for review_id, reason, count in await session.execute(query.group_by(flag.c.review_id, flag.c.reason)):
        found.setdefault(review_id, {})[reason] = count
    return found


async def clear_flags(session: Session, review_id: UUID) -> None:
    """They were decided upon, or there is nothing to decide."""
    await session.execute(delete(flag).where(flag.c.review_id == review_id))


async def forget(session: Session, reporter_id: str) -> None:
    """Remove what an erased patient reported."""
    await session.execute(delete(flag).where(flag.c.reporter_id == reporter_id))


async def note(session: Session, before: Review, after: Standing, actor_id: UUID, now: datetime) -> None:
    """Keep who decided what, under the version that the review reached by it."""
    await session.execute(
        insert(decision).values(
            review_id=before.id,
            version=before.version + 1,
            at=now,
            actor_id=actor_id,
            before=before.standing.state.value,
            after=after.state.value,
            reason=None if after.reason is None else after.reason.value,
        )
    )
