"""Delivery state of account emails in the database. `patients` stores recipients and contents."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, Integer, Table, Text, Uuid, select
from sqlalchemy.dialects.postgresql import insert

from millrace_notifications.leases import is_unleased, lease_rows, update_leased
from millrace_notifications.tables import metadata
from millrace_platform.database import ReadSession, Session
from millrace_platform.periodic import delete_rows

table = Table(
    "account_email",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("lease", Uuid),
    Column("lease_until", DateTime(timezone=True)),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("outcome", Text),
    Column("first_seen_at", DateTime(timezone=True), nullable=False),
    Index("account_email_first_seen_at_idx", "first_seen_at"),
)


async def insert_new(session: Session, ids: Collection[UUID], now: datetime) -> None:
    """Insert rows for those ids that have none, ordered by id so that two workers can't deadlock."""
    rows = [{"id": each, "attempts": 0, "due_at": now, "first_seen_at": now} for each in sorted(ids)]
    await session.execute(insert(table).values(rows).on_conflict_do_nothing())


async def lease_due(session: Session, ids: Collection[UUID], lease: UUID, now: datetime) -> dict[UUID, int]:
    """Lease those of the given emails that are due; return their numbers of earlier attempts by id."""
    unsettled = select(table.c.id).where(table.c.id.in_(ids), table.c.outcome.is_(None))
    due = unsettled.where(table.c.due_at <= now, is_unleased(table, now))
    return {row.id: row.attempts for row in await lease_rows(session, table, due, lease, now)}


async def list_settled(session: ReadSession, ids: Collection[UUID]) -> set[UUID]:
    """Return the ids of those emails that were sent or have failed for good."""
    query = select(table.c.id).where(table.c.id.in_(ids), table.c.outcome.is_not(None))
    return set((await session.execute(query)).scalars())


async def settle(session: Session, identifier: UUID, lease: UUID, outcome: str) -> None:
    """Record the final outcome of a leased email; does nothing if the lease was lost."""
    statement = update_leased(table, identifier, lease)
    await session.execute(statement.values(outcome=outcome, lease=None, lease_until=None))


async def postpone(session: Session, identifier: UUID, lease: UUID, until: datetime) -> None:
    """Schedule a retry of a leased email at `until`; does nothing if the lease was lost."""
    statement = update_leased(table, identifier, lease)
    attempts = table.c.attempts + 1
    await session.execute(statement.values(due_at=until, attempts=attempts, lease=None, lease_until=None))


async def delete_old(session: Session, before: datetime, limit: int) -> int:
    """Delete up to `limit` rows first seen before the given time; return how many were deleted."""
    return await delete_rows(session, table.c.id, table.c.first_seen_at < before, limit=limit)
