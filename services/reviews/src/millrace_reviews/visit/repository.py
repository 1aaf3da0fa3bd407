"""Visits in the database."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import ColumnElement, FromClause, Select, exists, func, or_, select, union_all, update
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import ReadSession, Session
from millrace_platform.rounds import remove
from millrace_reviews.patient import repository as patients
from millrace_reviews.place.tables import place
from millrace_reviews.review.tables import review
from millrace_reviews.visit.model import Visit
from millrace_reviews.visit.tables import visit

VISITS_WITH_PLACES: FromClause = visit.outerjoin(place, place.c.id == visit.c.provider_location_id)
PRACTICE: ColumnElement[str | None] = func.coalesce(visit.c.practice_id, place.c.practice_id)
"""Whose visit it was: the appointment's practice, else that of its place. For `VISITS_WITH_PLACES`."""


async def find(session: ReadSession, identifier: str) -> Visit | None:
    row = (await session.execute(select(visit).where(visit.c.id == identifier))).mappings().one_or_none()
    return None if row is None else Visit(**row)


async def put(session: Session, visits: Sequence[Visit]) -> None:
    """Take over what is newer than what is known, without those patients who were erased. Each id once."""
    if not visits:
        return
    living = await patients.hold(session, (each.patient_id for each in visits if each.patient_id is not None))
    kept = [each if each.patient_id in living else replace(each, patient_id=None) for each in visits]
    statement = insert(visit)
    newer = {column.name: statement.excluded[column.name] for column in visit.c if column is not visit.c.id}
    taken = statement.on_conflict_do_update(
        index_elements=[visit.c.id], set_=newer, where=visit.c.version < statement.excluded.version
    )
    await session.execute(taken, [asdict(each) for each in sorted(kept, key=lambda each: each.id)])


def of_practice(practice_id: str) -> Select[str]:
    """The ids of visits to a practice: what `PRACTICE` says, in a form that indexes serve."""
    named = select(visit.c.id).where(visit.c.practice_id == practice_id)
    by_place = select(visit.c.id).where(
        visit.c.practice_id.is_(None),
        visit.c.provider_location_id.in_(select(place.c.id).where(place.c.practice_id == practice_id)),
    )
    both = union_all(named, by_place).subquery()
    return select(both.c.id)


async def remove_old(session: Session, before: datetime, limit: int) -> int:
    """Remove up to so many visits of a month before that moment's, unless they were reviewed or completed since."""
    is_over = or_(visit.c.completed_at.is_(None), visit.c.completed_at < before)
    is_reviewed = exists().where(review.c.appointment_id == visit.c.id)
    return await remove(session, visit.c.id, visit.c.month < f"{before:%Y-%m}", is_over, ~is_reviewed, limit=limit)


async def forget(session: Session, patient_id: str) -> None:
    """Leave no trace of whose visits they were."""
    await session.execute(update(visit).where(visit.c.patient_id == patient_id).values(patient_id=None))
