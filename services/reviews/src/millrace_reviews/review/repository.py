"""Reads and writes reviews in the database."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, case, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import ReadSession, Session
from millrace_reviews.review.model import Content, Reason, Review, ReviewStatus, State
from millrace_reviews.schema import reply, review, visit
from millrace_reviews.visit.model import Visit
from millrace_reviews.visit.repository import PRACTICE, VISITS_WITH_LOCATIONS

REVIEW_QUERY: Select[*tuple[Any, ...]] = select(
    review, PRACTICE.label("practice_id"), visit.c.month, visit.c.completed_at, reply.c.text.label("reply")
).select_from(
    VISITS_WITH_LOCATIONS.join(review, review.c.appointment_id == visit.c.id).outerjoin(
        reply, reply.c.review_id == review.c.id
    )
)
"""Query for reviews, joined with their visits and replies."""

PUBLISHED: ColumnElement[bool] = review.c.state == State.PUBLISHED.value


def _to_review(row: Row[*tuple[Any, ...]]) -> Review:
    """Convert a row of `REVIEW_QUERY`."""
    return Review(
        id=row.id,
        seq=row.seq,
        version=row.version,
        appointment_id=row.appointment_id,
        author_id=row.author_id,
        npi=row.npi,
        practice_id=row.practice_id,
        month=row.month,
        status=ReviewStatus(State(row.state), row.needs_moderator, Reason(row.reason) if row.reason else None),
        content=Content(row.overall, row.bedside_manner, row.wait_time, row.text),
        reply=row.reply,
        created_at=row.created_at,
        completed_at=row.completed_at,
    )


async def find(session: ReadSession, identifier: UUID) -> Review | None:
    """Return the review; None if unknown or withdrawn."""
    query = REVIEW_QUERY.where(review.c.id == identifier, review.c.state != State.WITHDRAWN.value)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _to_review(row)


async def find_for_update(session: Session, identifier: UUID) -> Review | None:
    """Return the review and lock its row; None if unknown or withdrawn."""
    await session.execute(select(review.c.id).where(review.c.id == identifier).with_for_update())
    # Query again: a row that became free after a wait is otherwise joined with outdated rows.
    return await find(session, identifier)


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """Page of reviews; pass `next` as `position` to get the next page; None on the last page."""

    items: list[Review]
    next: int | None


async def list_page(
    session: ReadSession, condition: ColumnElement[bool], position: int | None, limit: int, oldest_first: bool = False
) -> ReviewPage:
    """Return up to `limit` reviews that follow the one whose `seq` is `position`; None returns the first ones."""
    query = REVIEW_QUERY.where(condition).order_by(review.c.seq if oldest_first else review.c.seq.desc())
    if position is not None:
        query = query.where(review.c.seq > position if oldest_first else review.c.seq < position)
    rows = (await session.execute(query.limit(limit + 1))).all()
    items = [_to_review(row) for row in rows[:limit]]
    return ReviewPage(items, items[-1].seq if len(rows) > limit else None)


async def add(
    session: Session, identifier: UUID, visit_row: Visit, *, status: ReviewStatus, content: Content, now: datetime
) -> bool:
    """Insert the first version of a review; return False if the visit already has one."""
    statement = insert(review).values(
        id=identifier,
        appointment_id=visit_row.id,
        author_id=visit_row.patient_id,
        npi=visit_row.npi,
        version=1,
        created_at=now,
        changed_at=now,
        **_values(status, content),
    )
    done = statement.on_conflict_do_nothing(index_elements=[review.c.appointment_id]).returning(review.c.id)
    return (await session.execute(done)).first() is not None


async def save(session: Session, before: Review, status: ReviewStatus, content: Content, now: datetime) -> None:
    """Write the next version of a review. The caller must have locked its row."""
    changed = update(review).where(review.c.id == before.id)
    await session.execute(changed.values(version=before.version + 1, changed_at=now, **_values(status, content)))


async def erase_author(session: Session, author_id: str, now: datetime) -> Sequence[UUID]:
    """Remove the author and texts from the author's reviews, withdraw unpublished ones, and return the ids of all."""
    state = case((PUBLISHED, review.c.state), else_=State.WITHDRAWN.value)
    statement = (
        update(review)
        .where(review.c.author_id == author_id)
        .values(author_id=None, text=None, state=state, version=review.c.version + 1, changed_at=now)
    )
    rows = await session.execute(statement.returning(review.c.id))
    return [row.id for row in rows]


def _values(status: ReviewStatus, content: Content) -> dict[str, Any]:
    reason = None if status.reason is None else status.reason.value
    return {"state": status.state.value, "needs_moderator": status.needs_moderator, "reason": reason, **asdict(content)}
