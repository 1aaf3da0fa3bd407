"""Delivery state of account emails in the database."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from millrace_notifications.account_email.tables import account_email
from millrace_notifications.leases import is_unleased, lease_rows, update_leased
from millrace_platform.database import ReadSession, Session
from millrace_platform.periodic import delete_rows


async def insert_new(session: Session, ids: Collection[UUID], now: datetime) -> None:
    """Insert rows for those ids that have none, ordered by id so that two workers can't deadlock."""
    rows = [{"id": each, "attempts": 0, "due_at": now, "first_seen_at": now} for each in sorted(ids)]
    await session.execute(insert(account_email).values(rows).on_conflict_do_nothing())


async def lease_due(session: Session, ids: Collection[UUID], lease: UUID, now: datetime) -> dict[UUID, int]:
    """Lease those of the given emails that are due; return their numbers of earlier attempts by id."""
    unsettled = select(account_email.c.id).where(account_email.c.id.in_(ids), account_email.c.outcome.is_(None))
    due = unsettled.where(account_email.c.due_at <= now, is_unleased(account_email, now))
    return {row.id: row.attempts for row in await lease_rows(session, account_email, due, lease, now)}


async def list_settled(session: ReadSession, ids: Collection[UUID]) -> set[UUID]:
    """Return the ids of those emails that were sent or have failed for good."""
    query = select(account_email.c.id).where(account_email.c.id.in_(ids), account_email.c.outcome.is_not(None))
    return set((await session.execute(query)).scalars())


async def settle(session: Session, identifier: UUID, lease: UUID, outcome: str) -> None:
    """Record the final outcome of a leased email; does nothing if the lease was lost."""
    statement = update_leased(account_email, identifier, lease)
    await session.execute(statement.values(outcome=outcome, lease=None, lease_until=None))


async def postpone(session: Session, identifier: UUID, lease: UUID, until: datetime) -> None:
    """Schedule a retry of a leased email at `until`; does nothing if the lease was lost."""
    statement = update_leased(account_email, identifier, lease)
    attempts = account_email.c.attempts + 1
    await session.execute(statement.values(due_at=until, attempts=attempts, lease=None, lease_until=None))


async def delete_old(session: Session, before: datetime, limit: int) -> int:
    """Delete up to `limit` rows first seen before the given time; return how many were deleted."""
    return await delete_rows(session, account_email.c.id, account_email.c.first_seen_at < before, limit=limit)
