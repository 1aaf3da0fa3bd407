"""Account mails in the database."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from millrace_notifications.account_mail.tables import account_mail
from millrace_notifications.leases import held, is_free, take
from millrace_platform.database import ReadSession, Session
from millrace_platform.rounds import remove


async def see(session: Session, mails: Collection[UUID], now: datetime) -> None:
    """Note mails that weren't seen before. In the order of ids: two workers never wait for each other's rows."""
    rows = [{"id": each, "attempts": 0, "due_at": now, "first_seen_at": now} for each in sorted(mails)]
    await session.execute(insert(account_mail).values(rows).on_conflict_do_nothing())


async def claim(session: Session, mails: Collection[UUID], lease: UUID, now: datetime) -> dict[UUID, int]:
    """Lease those that are to be sent now, with the number of attempts before."""
    open_ones = select(account_mail.c.id).where(account_mail.c.id.in_(mails), account_mail.c.outcome.is_(None))
    due = open_ones.where(account_mail.c.due_at <= now, is_free(account_mail, now))
    return {row.id: row.attempts for row in await take(session, account_mail, due, lease, now)}


async def settled(session: ReadSession, mails: Collection[UUID]) -> set[UUID]:
    """Those that need no sending any more, but are still with `patients`."""
    query = select(account_mail.c.id).where(account_mail.c.id.in_(mails), account_mail.c.outcome.is_not(None))
    return set((await session.execute(query)).scalars())


async def settle(session: Session, identifier: UUID, lease: UUID, outcome: str) -> None:
    mine = held(account_mail, identifier, lease)
    await session.execute(mine.values(outcome=outcome, lease=None, lease_until=None))


async def postpone(session: Session, identifier: UUID, lease: UUID, until: datetime) -> None:
    mine = held(account_mail, identifier, lease)
    await session.execute(mine.values(due_at=until, attempts=account_mail.c.attempts + 1, lease=None, lease_until=None))


async def forget_old(session: Session, before: datetime, limit: int) -> int:
    """Remove up to so many that were seen first before that moment; how many."""
    return await remove(session, account_mail.c.id, account_mail.c.first_seen_at < before, limit=limit)
