"""Email queue in the database. The sender fetches emails from `/internal/patients/outbox` and deletes those it sent."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec
from sqlalchemy import delete, insert, select

from millrace_patients.challenge.service import Challenge
from millrace_patients.crypto.sealing import seal, unseal
from millrace_patients.schema import queued_email
from millrace_platform.audit.model import Action, AuditEntry, Purpose
from millrace_platform.audit.unit_of_work import UnitOfWork
from millrace_platform.database import Session
from millrace_platform.ids import Ids

RETENTION = timedelta(hours=24)
"""Retention of unsent emails; their tokens have expired by then."""


class EmailKind(StrEnum):
    """Kind of email; the sender selects its template by it."""

    VERIFY_EMAIL = "verify_email"
    """`token` completes the sign-up."""
    ACCOUNT_EXISTS = "account_exists"
    """A sign-up was attempted for an address that has an account; `token` sets a new password."""
    RESET_PASSWORD = "reset_password"  # noqa: S105 # a kind, not a password
    """`token` sets a new password."""
    NO_ACCOUNT = "no_account"
    """A password reset was requested for an address without an account; `token` completes a sign-up."""
    CONFIRM_ADDRESS = "confirm_address"
    """`token` confirms the address of a profile."""
    ADDRESS_CHANGED = "address_changed"
    """Messages go to another address; no token. Sent to the account's address."""
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 # a kind, not a password
    """The password was changed; no token."""
    SECOND_FACTOR_ADDED = "second_factor_added"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_REPLACED = "recovery_codes_replaced"


class _Content(msgspec.Struct, frozen=True):
    to: str
    token: str | None = None


_content = msgspec.json.Decoder(_Content)


@dataclass(frozen=True, slots=True)
class QueuedEmail:
    """Email in the queue, with its address and token in plain text; a notice has no token."""

    id: UUID
    kind: EmailKind
    created_at: datetime
    to: str = field(repr=False)
    token: str | None = field(repr=False)


class EmailQueue:
    """Stores emails until they are sent. `key` encrypts addresses and tokens."""

    def __init__(self, key: bytes, ids: Ids) -> None:
        self._key = key
        self._ids = ids

    async def enqueue(self, work: UnitOfWork, kind: EmailKind, challenge: Challenge, token: str) -> None:
        """Add an email with the challenge's token, addressed to the mailbox that the challenge is for."""
        await self._add(work, kind, challenge.person_id, challenge.email_index, _Content(challenge.email, token))

    async def enqueue_notice(
        self, work: UnitOfWork, kind: EmailKind, *, account_id: UUID, email_index: bytes, email: str
    ) -> None:
        """Add an email without a token that reports a change of an account to its address."""
        await self._add(work, kind, account_id, email_index, _Content(email))

    async def _add(
        self, work: UnitOfWork, kind: EmailKind, person_id: UUID | None, email_index: bytes, content: _Content
    ) -> None:
        identifier = self._ids()
        sealed = seal(self._key, msgspec.json.encode(content), _label(identifier))
        await work.session.execute(
            insert(queued_email).values(
                id=identifier,
                kind=kind,
                person_id=person_id,
                email_index=email_index,
                sealed=sealed,
                created_at=work.now,
            )
        )

    async def list_oldest(self, work: UnitOfWork, limit: int) -> list[QueuedEmail]:
        """Return up to `limit` emails, oldest first, and record each read in the audit trail."""
        rows = await work.session.execute(select(queued_email).order_by(queued_email.c.id).limit(limit))
        found = []
        for row in rows:
            content = _content.decode(unseal(self._key, row.sealed, _label(row.id)))
            found.append(QueuedEmail(row.id, EmailKind(row.kind), row.created_at, content.to, content.token))
            if row.person_id is not None:
                work.audit(_read_entry(row.person_id))
        return found

    async def remove(self, session: Session, identifier: UUID) -> None:
        """Delete an email; do nothing if it is already deleted."""
        await session.execute(delete(queued_email).where(queued_email.c.id == identifier))

    async def delete_for_address(self, session: Session, index: bytes) -> None:
        """Delete all emails to an address."""
        await session.execute(delete(queued_email).where(queued_email.c.email_index == index))

    async def delete_expired(self, session: Session, now: datetime) -> None:
        await session.execute(delete(queued_email).where(queued_email.c.created_at < now - RETENTION))


def _label(identifier: UUID) -> str:
    return f"mail/{identifier}"


def _read_entry(person_id: UUID) -> AuditEntry:
    purpose = Purpose.PATIENT_REQUEST
    return AuditEntry(person_id=person_id, action=Action.READ, target="account/email", purpose=purpose)
