"""Reviews in the database."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, case, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import ReadSession, Session
from millrace_reviews.reply.tables import reply
from millrace_reviews.review.model import Content, Reason, Review, Standing, State
from millrace_reviews.review.tables import review
from millrace_reviews.visit.model import Visit
from millrace_reviews.visit.repository import PRACTICE, VISITS_WITH_PLACES
from millrace_reviews.visit.tables import visit

REVIEWS: Select[*tuple[Any, ...]] = select(
    review, PRACTICE.label("practice_id"), visit.c.month, visit.c.completed_at, reply.c.text.label("reply")
).select_from(
    VISITS_WITH_PLACES.join(review, review.c.appointment_id == visit.c.id).outerjoin(
        reply, reply.c.review_id == review.c.id
    )
)
"""Reviews with what their visits tell of them, and their replies."""

PUBLISHED: ColumnElement[bool] = review.c.state == State.PUBLISHED.value


def review_of(row: Row[*tuple[Any, ...]]) -> Review:
    """A row of `REVIEWS`."""
    return Review(
        id=row.id,
        seq=row.seq,
        version=row.version,
        appointment_id=row.appointment_id,
        author_id=row.author_id,
        npi=row.npi,
        practice_id=row.practice_id,
        month=row.month,
        standing=Standing(State(row.state), row.doubted, Reason(row.reason) if row.reason else None),
        content=Content(row.overall, row.bedside_manner, row.wait_time, row.text),
        reply=row.reply,
        created_at=row.created_at,
        completed_at=row.completed_at,
    )


async def find(session: ReadSession, identifier: UUID) -> Review | None:
    """None also for one that was withdrawn."""
    query = REVIEWS.where(review.c.id == identifier, review.c.state != State.WITHDRAWN.value)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else review_of(row)


async def hold(session: Session, identifier: UUID) -> Review | None:
    """As `find`; nobody else changes it until the transaction ends."""
    await session.execute(select(review.c.id).where(review.c.id == identifier).with_for_update())
    # A second look: a row that was waited for is otherwise joined to what was there before.
    return await find(session, identifier)


@dataclass(frozen=True, slots=True)
class Page:
    """Some reviews of a list; `next`, unless None, is the `position` of the page behind them."""

    items: list[Review]
    next: int | None


async def newest(session: ReadSession, wanted: ColumnElement[bool], position: int | None, limit: int) -> Page:
    """Newest first: up to `limit` reviews before the `seq` at `position`."""
    query = REVIEWS.where(wanted) if position is None else REVIEWS.where(wanted, review.c.seq < position)
    return await _page(session, query.order_by(review.c.seq.desc()), limit)


async def oldest(session: ReadSession, wanted: ColumnElement[bool], position: int | None, limit: int) -> Page:
    """Oldest first: up to `limit` reviews after the `seq` at `position`."""
    query = REVIEWS.where(wanted) if position is None else REVIEWS.where(wanted, review.c.seq > position)
    return await _page(session, query.order_by(review.c.seq), limit)


async def _page(session: ReadSession, query: Select[*tuple[Any, ...]], limit: int) -> Page:
    rows = (await session.execute(query.limit(limit + 1))).all()
    found = [review_of(row) for row in rows[:limit]]
    return Page(found, found[-1].seq if len(rows) > limit else None)


async def add(
    session: Session, identifier: UUID, of: Visit, *, standing: Standing, content: Content, now: datetime
) -> bool:
    """Insert the first version; False where the visit has a review."""
    statement = insert(review).values(
        id=identifier,
        appointment_id=of.id,
        author_id=of.patient_id,
        npi=of.npi,
        version=1,
        created_at=now,
        changed_at=now,
        **_values(standing, content),
    )
    done = statement.on_conflict_do_nothing(index_elements=[review.c.appointment_id]).returning(review.c.id)
    return (await session.execute(done)).first() is not None


async def advance(session: Session, before: Review, standing: Standing, content: Content, now: datetime) -> None:
    """Write the next version. The caller holds the review."""
    changed = update(review).where(review.c.id == before.id)
    await session.execute(changed.values(version=before.version + 1, changed_at=now, **_values(standing, content)))


async def forget(session: Session, author_id: str, now: datetime) -> Sequence[UUID]:
    """Leave neither author nor words; what isn't published is withdrawn. The ids of the reviews."""
    remains = case((PUBLISHED, review.c.state), else_=State.WITHDRAWN.value)
    statement = (
        update(review)
        .where(review.c.author_id == author_id)
        .values(author_id=None, text=None, state=remains, version=review.c.version + 1, changed_at=now)
    )
    rows = await session.execute(statement.returning(review.c.id))
    return [row.id for row in rows]


def _values(standing: Standing, content: Content) -> dict[str, Any]:
    reason = None if standing.reason is None else standing.reason.value
    return {"state": standing.state.value, "doubted": standing.doubted, "reason": reason, **asdict(content)}
