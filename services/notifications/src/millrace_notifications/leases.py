"""Rows that a worker takes for a while: `lease` says whose turn it is, `lease_until` how long."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Table, Update, or_, select, update

from millrace_platform.database import Session

LEASE = timedelta(seconds=120)
"""Longer than any piece of work takes."""


def is_free(table: Table, now: datetime) -> ColumnElement[bool]:
    return or_(table.c.lease_until.is_(None), table.c.lease_until <= now)


async def take(
    session: Session, table: Table, chosen: Select[Any], lease: UUID, now: datetime
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Lease the rows whose ids `chosen` selects, but for those that another worker is taking at this moment."""
    # As a WITH query it runs once; a plan may run a subquery with a limit several times and so take more.
    ids = chosen.with_for_update(of=table, skip_locked=True).cte("chosen")
    taken = update(table).where(table.c.id.in_(select(ids.c.id))).values(lease=lease, lease_until=now + LEASE)
    rows: Sequence[Row[*tuple[Any, ...]]] = (await session.execute(taken.returning(table))).all()
    return rows


def held(table: Table, identifier: UUID, lease: UUID) -> Update:
    """An update of a leased row; it does nothing where the lease went to another."""
    return update(table).where(table.c.id == identifier, table.c.lease == lease)
