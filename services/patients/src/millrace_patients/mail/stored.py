"""An outbox in the database: `/internal/patients/outbox` hands it to the sender, who removes what was sent."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import delete, insert, select

from millrace_patients.audit.model import Deed, Entry, Purpose
from millrace_patients.crypto.sealing import seal, unseal
from millrace_patients.mail.model import Mail, MailKind
from millrace_patients.mail.tables import outbound_mail
from millrace_patients.unit_of_work import Work
from millrace_platform.database import Session
from millrace_platform.ids import Ids

KEPT = timedelta(hours=24)
"""Mail that nobody has fetched by then has lost its use: its token has expired."""


class _Content(msgspec.Struct, frozen=True):
    to: str
    token: str


_content = msgspec.json.Decoder(_Content)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail that waits."""

    id: UUID
    kind: MailKind
    created_at: datetime
    to: str = field(repr=False)
    token: str = field(repr=False)


class StoredMail:
    """`key` seals addresses and tokens."""

    def __init__(self, key: bytes, ids: Ids) -> None:
        self._key = key
        self._ids = ids

    async def put(self, work: Work, mail: Mail) -> None:
        identifier = self._ids()
        sealed = seal(self._key, msgspec.json.encode(_Content(mail.to, mail.token)), _place(identifier))
        await work.session.execute(
            insert(outbound_mail).values(
                id=identifier,
                kind=mail.kind.value,
                person=mail.person,
                email_index=mail.index,
                sealed=sealed,
                created_at=work.now,
            )
        )

    async def waiting(self, work: Work, limit: int) -> list[Waiting]:
        """The oldest mails; the trail tells that they were read."""
        rows = await work.session.execute(select(outbound_mail).order_by(outbound_mail.c.id).limit(limit))
        found = []
        for row in rows:
            content = _content.decode(unseal(self._key, row.sealed, _place(row.id)))
            found.append(Waiting(row.id, MailKind(row.kind), row.created_at, content.to, content.token))
            if row.person is not None:
                work.note(_handed_out(row.person))
        return found

    async def remove(self, session: Session, identifier: UUID) -> None:
        """It was sent. Nothing happens where it is gone already."""
        await session.execute(delete(outbound_mail).where(outbound_mail.c.id == identifier))

    async def forget(self, session: Session, index: bytes) -> None:
        """Remove all mail to an address."""
        await session.execute(delete(outbound_mail).where(outbound_mail.c.email_index == index))

    async def forget_old(self, session: Session, now: datetime) -> None:
        await session.execute(delete(outbound_mail).where(outbound_mail.c.created_at < now - KEPT))


def _place(identifier: UUID) -> str:
    return f"mail/{identifier}"


def _handed_out(person: UUID) -> Entry:
    return Entry(
        actor=None, roles="", person=person, deed=Deed.READ, what="account/email", purpose=Purpose.PATIENT_REQUEST
    )
