"""Reads and writes flags of readers and decisions of moderators in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, insert, select
from sqlalchemy.dialects import postgresql

from millrace_platform.database import ReadSession, Session
from millrace_reviews.review.model import Reason, Review, ReviewStatus
from millrace_reviews.schema import decision, flag, review

FLAGGED: ColumnElement[bool] = exists().where(flag.c.review_id == review.c.id)


async def save_flag(session: Session, review_id: UUID, reporter_id: str, reason: Reason, now: datetime) -> None:
    """Store a reporter's flag, replacing an earlier one. The caller must have locked the reporter's row."""
    values = {"reason": reason.value, "reported_at": now}
    statement = postgresql.insert(flag).values(review_id=review_id, reporter_id=reporter_id, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=list(flag.primary_key), set_=values))


async def count_flags(session: ReadSession, review_ids: Sequence[UUID]) -> Mapping[UUID, Mapping[str, int]]:
    """Return the number of flags by reason for each review; reviews without flags are absent."""
    query = select(flag.c.review_id, flag.c.reason, func.count()).where(flag.c.review_id.in_(review_ids))
    counts: dict[UUID, dict[str, int]] = {}
    for review_id, reason, count in await session.execute(query.group_by(flag.c.review_id, flag.c.reason)):
        counts.setdefault(review_id, {})[reason] = count
    return counts


async def delete_flags(session: Session, review_id: UUID) -> None:
    """Delete the flags of a review."""
    await session.execute(delete(flag).where(flag.c.review_id == review_id))


async def delete_flags_of_reporter(session: Session, reporter_id: str) -> None:
    """Delete all flags that a reporter set; used when a patient is erased."""
    await session.execute(delete(flag).where(flag.c.reporter_id == reporter_id))


async def add_decision(session: Session, before: Review, after: ReviewStatus, actor_id: UUID, now: datetime) -> None:
    """Record a moderator's decision with the states before and after; `before` is the review before it."""
    await session.execute(
        insert(decision).values(
            review_id=before.id,
            version=before.version + 1,
            decided_at=now,
            actor_id=actor_id,
            state_before=before.status.state.value,
            state_after=after.state.value,
            reason=None if after.reason is None else after.reason.value,
        )
    )
