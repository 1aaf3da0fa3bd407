"""Timers in the database."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_notifications.leases import LEASE_DURATION, is_unleased, lease_rows, update_leased
from millrace_notifications.timer.model import DueTimer, EmailData, EmailKind, NewTimer
from millrace_notifications.timer.tables import timer
from millrace_platform.database import ReadSession, Session
from millrace_platform.ids import Ids
from millrace_platform.periodic import delete_rows

Outcome = Literal["sent", "expired", "failed", "dropped"]

_NO_LEASE = {"lease": None, "lease_until": None}


async def insert_timers(session: Session, timers: Sequence[NewTimer], ids: Ids) -> None:
    """Insert timers, except those whose (kind, entity, version) already exists."""
    if not timers:
        return
    rows = [
        {
            "id": ids(),
            "kind": each.kind.value,
            "entity": each.entity,
            "version": each.version,
            "patient_id": each.patient_id,
            "facts": msgspec.to_builtins(each.data),
            "due_at": each.due_at,
            "expires_at": each.expires_at,
            "state": "waiting",
            "attempts": 0,
        }
        for each in timers
    ]
    await session.execute(insert(timer).on_conflict_do_nothing(), rows)


async def drop(
    session: Session, entities: Collection[str], kinds: Collection[EmailKind], reason: str, now: datetime
) -> None:
    """Drop the waiting timers of these kinds about the entities, including leased ones."""
    dropped = update(timer).where(timer.c.entity.in_(entities), timer.c.kind.in_([kind.value for kind in kinds]))
    await session.execute(
        dropped.where(timer.c.state == "waiting").values(state="dropped", reason=reason, settled_at=now)
    )


async def drop_of_patient(session: Session, patient_id: str, reason: str, now: datetime) -> None:
    """Drop all waiting timers of the patient."""
    dropped = update(timer).where(timer.c.patient_id == patient_id, timer.c.state == "waiting")
    await session.execute(dropped.values(state="dropped", reason=reason, settled_at=now))


async def lease_due(session: Session, lease: UUID, now: datetime, limit: int) -> list[DueTimer]:
    """Lease and return up to `limit` due timers, longest overdue first."""
    due = select(timer.c.id).where(timer.c.state == "waiting", timer.c.due_at <= now, is_unleased(timer, now))
    rows = await lease_rows(session, timer, due.order_by(timer.c.due_at).limit(limit), lease, now)
    return [
        DueTimer(
            row.id,
            row.lease,
            EmailKind(row.kind),
            row.patient_id,
            msgspec.convert(row.facts, EmailData),
            row.expires_at,
            row.attempts,
        )
        for row in rows
    ]


async def renew_lease(session: Session, leased: DueTimer, now: datetime) -> bool:
    """Renew the lease of a timer; return False if the timer was dropped or the lease was lost."""
    statement = update_leased(timer, leased.id, leased.lease).where(timer.c.state == "waiting")
    renewed = statement.values(lease_until=now + LEASE_DURATION)
    return (await session.execute(renewed.returning(timer.c.id))).first() is not None


async def settle(session: Session, leased: DueTimer, outcome: Outcome, reason: str | None, now: datetime) -> None:
    """Record a timer's final outcome. `sent` also replaces `dropped`, since the email was sent nevertheless."""
    statement = update_leased(timer, leased.id, leased.lease)
    if outcome != "sent":
        statement = statement.where(timer.c.state == "waiting")
    await session.execute(statement.values(state=outcome, reason=reason, settled_at=now, **_NO_LEASE))


async def postpone(session: Session, leased: DueTimer, until: datetime, reason: str) -> None:
    """Schedule a retry of a leased timer and release the lease."""
    statement = update_leased(timer, leased.id, leased.lease).where(timer.c.state == "waiting")
    attempts = timer.c.attempts + 1
    await session.execute(statement.values(due_at=until, reason=reason, attempts=attempts, **_NO_LEASE))


async def delete_old(session: Session, before: datetime, limit: int) -> int:
    """Delete up to `limit` timers settled before the given time; return how many were deleted."""
    return await delete_rows(session, timer.c.id, timer.c.settled_at < before, limit=limit)


async def count_waiting(session: ReadSession, now: datetime) -> dict[str, tuple[int, timedelta | None]]:
    """Return by kind the number of waiting timers and the delay of the longest overdue one (None if none is due)."""
    oldest = func.min(timer.c.due_at).filter(timer.c.due_at <= now)
    query = select(timer.c.kind, func.count(), oldest).where(timer.c.state == "waiting").group_by(timer.c.kind)
    rows = await session.execute(query.order_by(timer.c.kind))
    return {kind: (count, None if due is None else now - due) for kind, count, due in rows}
