"""Reads and writes records, each encrypted with its patient's key."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Row, Update, func, insert, select, update

from millrace_patients.person.vault import PersonKey
from millrace_patients.record.model import Record, RecordKind
from millrace_patients.schema import record
from millrace_platform.database import ReadSession, Session


async def find(session: ReadSession, key: PersonKey, kind: RecordKind, identifier: UUID) -> Record | None:
    """Return the record; None if unknown, deleted or another patient's."""
    query = select(record).where(record.c.id == identifier, record.c.kind == kind.value, *_of(key))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _open(key, row)


async def list_all(session: ReadSession, key: PersonKey, kind: RecordKind) -> list[Record]:
    """Return all of a patient's records of a kind in the order of creation."""
    query = select(record).where(record.c.kind == kind.value, *_of(key)).order_by(record.c.id)
    return [_open(key, row) for row in await session.execute(query)]


async def count(session: ReadSession, key: PersonKey, kind: RecordKind) -> int:
    query = select(func.count()).select_from(record).where(record.c.kind == kind.value, *_of(key))
    return await session.scalar(query) or 0


async def add(session: Session, key: PersonKey, kind: RecordKind, added: Record) -> None:
    await session.execute(
        insert(record).values(
            id=added.id, patient_id=key.owner, kind=kind.value, version=added.version, sealed=_seal(key, kind, added)
        )
    )


async def save(session: Session, key: PersonKey, kind: RecordKind, after: Record) -> None:
    """Store a new version. The caller must have locked the person's row."""
    changed = update(record).where(record.c.id == after.id, *_of(key))
    await session.execute(changed.values(version=after.version, sealed=_seal(key, kind, after)))


async def remove(session: Session, identifier: UUID, now: datetime) -> None:
    """Replace the record by a tombstone. The caller must have locked the person's row."""
    await session.execute(_tombstone(now).where(record.c.id == identifier))


async def remove_all(session: Session, patient_id: UUID, now: datetime) -> None:
    """Replace all records of a patient by tombstones."""
    await session.execute(_tombstone(now).where(record.c.patient_id == patient_id))


def _tombstone(now: datetime) -> Update:
    live = update(record).where(record.c.deleted_at.is_(None))
    return live.values(version=record.c.version + 1, sealed=None, deleted_at=now)


def _of(key: PersonKey) -> tuple[ColumnElement[bool], ...]:
    return (record.c.patient_id == key.owner, record.c.deleted_at.is_(None))


def _seal(key: PersonKey, kind: RecordKind, after: Record) -> bytes:
    return key.seal(msgspec.json.encode(after.content), _label(kind.value, after.id, after.version))


def _open(key: PersonKey, row: Row[*tuple[Any, ...]]) -> Record:
    plain = key.unseal(row.sealed, _label(row.kind, row.id, row.version))
    return Record(row.id, row.version, msgspec.json.decode(plain))


def _label(kind: str, identifier: UUID, version: int) -> str:
    # Includes the version, so that an older state cannot be restored over a newer one.
    return f"{kind}/{identifier}/{version}"
