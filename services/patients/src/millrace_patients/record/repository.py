"""Records in the database, each sealed with its patient's key."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Row, Update, func, insert, select, update

from millrace_patients.person.vault import PersonKey
from millrace_patients.record.model import Record, RecordKind
from millrace_patients.record.tables import record
from millrace_platform.database import ReadSession, Session


async def find(session: ReadSession, key: PersonKey, kind: RecordKind, identifier: UUID) -> Record | None:
    """None also for a record of another patient."""
    query = select(record).where(record.c.id == identifier, record.c.kind == kind.value, *_of(key))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _open(key, row)


async def all_of(session: ReadSession, key: PersonKey, kind: RecordKind) -> list[Record]:
    """In the order of their ids, which is that of their making."""
    query = select(record).where(record.c.kind == kind.value, *_of(key)).order_by(record.c.id)
    return [_open(key, row) for row in await session.execute(query)]


async def count(session: ReadSession, key: PersonKey, kind: RecordKind) -> int:
    query = select(func.count()).select_from(record).where(record.c.kind == kind.value, *_of(key))
    return await session.scalar(query) or 0


async def add(session: Session, key: PersonKey, kind: RecordKind, added: Record) -> None:
    await session.execute(
        insert(record).values(
            id=added.id,
            patient_id=key.owner,
            kind=kind.value,
            version=added.version,
            sealed=_sealed(key, kind, added),
        )
    )


async def advance(session: Session, key: PersonKey, kind: RecordKind, after: Record) -> None:
    """Write a new version. The caller holds the person."""
    changed = update(record).where(record.c.id == after.id, *_of(key))
    await session.execute(changed.values(version=after.version, sealed=_sealed(key, kind, after)))


async def remove(session: Session, identifier: UUID, now: datetime) -> None:
    """Leave a tombstone. The caller holds the person."""
    await session.execute(_tombstone(now).where(record.c.id == identifier))


async def remove_all(session: Session, patient_id: UUID, now: datetime) -> None:
    """Leave tombstones of all that a patient has."""
    await session.execute(_tombstone(now).where(record.c.patient_id == patient_id))


def _tombstone(now: datetime) -> Update:
    live = update(record).where(record.c.deleted_at.is_(None))
    return live.values(version=record.c.version + 1, sealed=None, deleted_at=now)


def _of(key: PersonKey) -> tuple[ColumnElement[bool], ...]:
    return (record.c.patient_id == key.owner, record.c.deleted_at.is_(None))


def _sealed(key: PersonKey, kind: RecordKind, sealed: Record) -> bytes:
    return key.seal(msgspec.json.encode(sealed.content), _place(kind.value, sealed.id, sealed.version))


def _open(key: PersonKey, row: Row[*tuple[Any, ...]]) -> Record:
    plain = key.unseal(row.sealed, _place(row.kind, row.id, row.version))
    return Record(row.id, row.version, msgspec.json.decode(plain))


def _place(kind: str, identifier: UUID, version: int) -> str:
    # With the version in it, an older state can't be put back over a newer one.
    return f"{kind}/{identifier}/{version}"
