"""Reads and writes the states of patients in the database."""

from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, func, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_patients.patient.model import PublicPatient
from millrace_patients.record.model import RecordKind
from millrace_patients.schema import account, patient, person, record
from millrace_platform.database import ReadSession, Session


async def is_active(session: ReadSession, identifier: UUID) -> bool:
    query = select(patient.c.id).where(patient.c.id == identifier, patient.c.state == "active")
    return await session.scalar(query) is not None


async def find(session: ReadSession, identifier: UUID) -> PublicPatient | None:
    """Return the patient, erased or not; None if the person never had a profile."""
    row = (await session.execute(_select().where(patient.c.id == identifier))).one_or_none()
    return None if row is None else _from(row)


async def add(session: Session, identifier: UUID, *, may_book: bool) -> bool:
    """Insert an active patient with version 1; return False if the patient exists."""
    row = {"id": identifier, "version": 1, "state": "active", "may_book": may_book}
    statement = insert(patient).values(row).on_conflict_do_nothing().returning(patient.c.id)
    return (await session.execute(statement)).first() is not None


async def set_may_book(session: Session, identifier: UUID, *, may_book: bool) -> bool:
    """Store whether the patient may book; return False if that is stored already."""
    statement = update(patient).where(patient.c.id == identifier, patient.c.may_book != may_book)
    changed = await session.execute(statement.values(may_book=may_book).returning(patient.c.id))
    return changed.first() is not None


async def find_confirmed_email(session: ReadSession, identifier: UUID) -> bytes | None:
    """Return the email index of the address that the patient has confirmed last; None if there is none."""
    query = select(patient.c.confirmed_email_index).where(patient.c.id == identifier)
    index: bytes | None = await session.scalar(query)
    return index


async def set_confirmed_email(session: Session, identifier: UUID, index: bytes) -> None:
    await session.execute(update(patient).where(patient.c.id == identifier).values(confirmed_email_index=index))


async def advance_version(session: Session, identifier: UUID) -> None:
    """Give the patient its next version."""
    await session.execute(update(patient).where(patient.c.id == identifier).values(version=patient.c.version + 1))


async def erase(session: Session, identifier: UUID) -> bool:
    """Mark a patient as erased and give it its next version; return False if there is no active patient."""
    statement = (
        update(patient)
        .where(patient.c.id == identifier, patient.c.state == "active")
        .values(state="erased", may_book=False, confirmed_email_index=None, version=patient.c.version + 1)
    )
    return (await session.execute(statement.returning(patient.c.id))).first() is not None


async def list_after(session: ReadSession, after: UUID | None, limit: int) -> list[PublicPatient]:
    """Return up to `limit` patients, erased ones included, with ids above `after`, sorted by id."""
    query = _select().order_by(patient.c.id).limit(limit)
    if after is not None:
        query = query.where(patient.c.id > after)
    return [_from(row) for row in await session.execute(query)]


def _select() -> Select[Any]:
    return select(
        patient,
        _record_ids(RecordKind.DEPENDANT).label("dependant_ids"),
        _record_ids(RecordKind.INSURANCE_CARD).label("insurance_card_ids"),
        _registered_at().label("registered_at"),
    )


def _registered_at() -> ColumnElement[Any]:
    """Return when the account began; accounts of another issuer begin with the person's first profile."""
    began = (
        select(func.coalesce(account.c.created_at, person.c.created_at))
        .select_from(person.outerjoin(account, account.c.id == person.c.id))
        .where(person.c.id == patient.c.id)
    )
    return began.correlate(patient).scalar_subquery()


def _record_ids(kind: RecordKind) -> ColumnElement[Any]:
    ids = select(record.c.id).where(
        record.c.patient_id == patient.c.id, record.c.kind == kind.value, record.c.deleted_at.is_(None)
    )
    return func.array(ids.order_by(record.c.id).correlate(patient).scalar_subquery(), type_=ARRAY(Uuid))


def _from(row: Any) -> PublicPatient:
    return PublicPatient(
        row.id,
        row.state,
        row.version,
        row.may_book,
        tuple(row.dependant_ids),
        tuple(row.insurance_card_ids),
        row.registered_at,
    )
