"""Reads and writes visits in the database."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import ColumnElement, FromClause, Select, exists, func, or_, select, union_all, update
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import ReadSession, Session
from millrace_platform.periodic import delete_rows
from millrace_reviews.patient import repository as patients
from millrace_reviews.schema import provider_location, review, visit
from millrace_reviews.visit.model import Visit

VISITS_WITH_LOCATIONS: FromClause = visit.outerjoin(
    provider_location, provider_location.c.id == visit.c.provider_location_id
)
PRACTICE: ColumnElement[str | None] = func.coalesce(visit.c.practice_id, provider_location.c.practice_id)
"""SQL expression for a visit's practice in `VISITS_WITH_LOCATIONS`: the appointment's, else the provider-location's."""


async def find(session: ReadSession, identifier: str) -> Visit | None:
    row = (await session.execute(select(visit).where(visit.c.id == identifier))).mappings().one_or_none()
    return None if row is None else Visit(**row)


async def save_newer(session: Session, visits: Sequence[Visit]) -> None:
    """Store the visits that are newer than the stored versions, without the patient's id if the patient was erased.

    `visits` must not repeat an id.
    """
    if not visits:
        return
    active = await patients.lock_active(session, (each.patient_id for each in visits if each.patient_id is not None))
    stored = [each if each.patient_id in active else replace(each, patient_id=None) for each in visits]
    statement = insert(visit)
    newer = {column.name: statement.excluded[column.name] for column in visit.c if column is not visit.c.id}
    upsert = statement.on_conflict_do_update(
        index_elements=[visit.c.id], set_=newer, where=visit.c.version < statement.excluded.version
    )
    await session.execute(upsert, [asdict(each) for each in sorted(stored, key=lambda each: each.id)])


def select_ids_of_practice(practice_id: str) -> Select[str]:
    """Return a query for the ids of visits to a practice: a union, since an index serves each part but no `OR`."""
    by_practice = select(visit.c.id).where(visit.c.practice_id == practice_id)
    by_location = select(visit.c.id).where(
        visit.c.practice_id.is_(None),
        visit.c.provider_location_id.in_(
            select(provider_location.c.id).where(provider_location.c.practice_id == practice_id)
        ),
    )
    ids = union_all(by_practice, by_location).subquery()
    return select(ids.c.id)


async def delete_old(session: Session, before: datetime, limit: int) -> int:
    """Delete up to `limit` visits that took place in an earlier month than `before`; return their number.

    Visits that have a review, or were completed at or after `before`, stay.
    """
    is_over = or_(visit.c.completed_at.is_(None), visit.c.completed_at < before)
    is_reviewed = exists().where(review.c.appointment_id == visit.c.id)
    return await delete_rows(session, visit.c.id, visit.c.month < f"{before:%Y-%m}", is_over, ~is_reviewed, limit=limit)


async def remove_patient(session: Session, patient_id: str) -> None:
    """Remove the patient's id from all visits."""
    await session.execute(update(visit).where(visit.c.patient_id == patient_id).values(patient_id=None))
