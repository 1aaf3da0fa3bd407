"""Email queue in the database. The sender fetches emails from `/internal/patients/outbox` and deletes those it sent."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import delete, insert, select

from millrace_patients.audit.model import Action, AuditEntry, Purpose
from millrace_patients.crypto.sealing import seal, unseal
from millrace_patients.email_queue.model import EmailKind, OutboundEmail
from millrace_patients.schema import outbound_mail
from millrace_patients.unit_of_work import UnitOfWork
from millrace_platform.database import Session
from millrace_platform.ids import Ids

RETENTION = timedelta(hours=24)
"""Retention of unsent emails; their tokens have expired by then."""


class _Content(msgspec.Struct, frozen=True):
    to: str
    token: str


_content = msgspec.json.Decoder(_Content)


@dataclass(frozen=True, slots=True)
class QueuedEmail:
    """Email in the queue, with its address and token in plain text."""

    id: UUID
    kind: EmailKind
    created_at: datetime
    to: str = field(repr=False)
    token: str = field(repr=False)


class EmailQueue:
    """Stores emails until they are sent. `key` encrypts addresses and tokens."""

    def __init__(self, key: bytes, ids: Ids) -> None:
        self._key = key
        self._ids = ids

    async def enqueue(self, work: UnitOfWork, email: OutboundEmail) -> None:
        identifier = self._ids()
        sealed = seal(self._key, msgspec.json.encode(_Content(email.to, email.token)), _label(identifier))
        await work.session.execute(
            insert(outbound_mail).values(
                id=identifier,
                kind=email.kind.value,
                person=email.person,
                email_index=email.index,
                sealed=sealed,
                created_at=work.now,
            )
        )

    async def list_oldest(self, work: UnitOfWork, limit: int) -> list[QueuedEmail]:
        """Return up to `limit` emails, oldest first, and record each read in the audit trail."""
        rows = await work.session.execute(select(outbound_mail).order_by(outbound_mail.c.id).limit(limit))
        found = []
        for row in rows:
            content = _content.decode(unseal(self._key, row.sealed, _label(row.id)))
            found.append(QueuedEmail(row.id, EmailKind(row.kind), row.created_at, content.to, content.token))
            if row.person is not None:
                work.audit(_read_entry(row.person))
        return found

    async def remove(self, session: Session, identifier: UUID) -> None:
        """Delete an email; do nothing if it is already deleted."""
        await session.execute(delete(outbound_mail).where(outbound_mail.c.id == identifier))

    async def delete_for_address(self, session: Session, index: bytes) -> None:
        """Delete all emails to an address."""
        await session.execute(delete(outbound_mail).where(outbound_mail.c.email_index == index))

    async def delete_expired(self, session: Session, now: datetime) -> None:
        await session.execute(delete(outbound_mail).where(outbound_mail.c.created_at < now - RETENTION))


def _label(identifier: UUID) -> str:
    return f"mail/{identifier}"


def _read_entry(person: UUID) -> AuditEntry:
    return AuditEntry(
        actor=None, roles="", person=person, action=Action.READ, target="account/email", purpose=Purpose.PATIENT_REQUEST
    )
