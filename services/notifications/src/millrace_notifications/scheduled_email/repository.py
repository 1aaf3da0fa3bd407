"""Scheduled emails in the database."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_notifications.leases import LEASE_DURATION, is_unleased, lease_rows, update_leased
from millrace_notifications.scheduled_email.model import DueEmail, EmailKind, NewEmail
from millrace_notifications.scheduled_email.tables import scheduled_email as table
from millrace_platform.database import ReadSession, Session
from millrace_platform.ids import Ids
from millrace_platform.periodic import delete_rows

Outcome = Literal["sent", "expired", "failed", "dropped"]

_IS_WAITING = table.c.state == "waiting"
_NO_LEASE = {"lease": None, "lease_until": None}


async def insert_emails(session: Session, emails: Sequence[NewEmail], ids: Ids) -> None:
    """Insert emails, except those whose (kind, entity, version) already exists."""
    rows = [
        {
            **asdict(each),
            "id": ids(),
            "template_data": msgspec.to_builtins(each.template_data),
            "state": "waiting",
            "attempts": 0,
        }
        for each in emails
    ]
    if rows:
        await session.execute(insert(table).on_conflict_do_nothing(), rows)


async def drop(
    session: Session, entities: Collection[str], kinds: Collection[EmailKind], reason: str, now: datetime
) -> None:
    """Drop the waiting emails of these kinds about the entities, including leased ones."""
    dropped = update(table).where(table.c.entity.in_(entities), table.c.kind.in_(kinds), _IS_WAITING)
    await session.execute(dropped.values(state="dropped", reason=reason, settled_at=now))


async def drop_of_patient(session: Session, patient_id: str, reason: str, now: datetime) -> None:
    """Drop all waiting emails to the patient."""
    dropped = update(table).where(table.c.patient_id == patient_id, _IS_WAITING)
    await session.execute(dropped.values(state="dropped", reason=reason, settled_at=now))


async def lease_due(session: Session, lease: UUID, now: datetime, limit: int) -> list[DueEmail]:
    """Lease and return up to `limit` due emails, longest overdue first."""
    due = select(table.c.id).where(_IS_WAITING, table.c.due_at <= now, is_unleased(table, now))
    rows = await lease_rows(session, table, due.order_by(table.c.due_at).limit(limit), lease, now)
    return [msgspec.convert(row, DueEmail, from_attributes=True) for row in rows]


async def renew_lease(session: Session, leased: DueEmail, now: datetime) -> bool:
    """Renew the lease of an email; return False if the email was dropped or the lease was lost."""
    statement = update_leased(table, leased.id, leased.lease).where(_IS_WAITING)
    renewed = statement.values(lease_until=now + LEASE_DURATION)
    return (await session.execute(renewed.returning(table.c.id))).first() is not None


async def settle(session: Session, leased: DueEmail, outcome: Outcome, reason: str | None, now: datetime) -> None:
    """Record an email's final outcome. `sent` also replaces `dropped`, since the email was sent nevertheless."""
    statement = update_leased(table, leased.id, leased.lease)
    if outcome != "sent":
        statement = statement.where(_IS_WAITING)
    await session.execute(statement.values(state=outcome, reason=reason, settled_at=now, **_NO_LEASE))


async def postpone(session: Session, leased: DueEmail, until: datetime, reason: str) -> None:
    """Schedule a retry of a leased email and release the lease."""
    statement = update_leased(table, leased.id, leased.lease).where(_IS_WAITING)
    attempts = table.c.attempts + 1
    await session.execute(statement.values(due_at=until, reason=reason, attempts=attempts, **_NO_LEASE))


async def delete_old(session: Session, before: datetime, limit: int) -> int:
    """Delete up to `limit` emails settled before the given time; return how many were deleted."""
    return await delete_rows(session, table.c.id, table.c.settled_at < before, limit=limit)


async def count_waiting(session: ReadSession, now: datetime) -> dict[str, tuple[int, timedelta | None]]:
    """Return by kind the number of waiting emails and the delay of the longest overdue one (None if none is due)."""
    oldest = func.min(table.c.due_at).filter(table.c.due_at <= now)
    query = select(table.c.kind, func.count(), oldest).where(_IS_WAITING).group_by(table.c.kind)
    rows = await session.execute(query.order_by(table.c.kind))
    return {kind: (count, None if due is None else now - due) for kind, count, due in rows}
