"""Leases, which reserve due rows for one worker: `lease` is the lease's id, `lease_until` its expiry."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Table, Update, or_, select, update

from millrace_platform.database import Session

LEASE_DURATION = timedelta(seconds=120)
"""Longer than processing one row can take."""


def is_unleased(table: Table, now: datetime) -> ColumnElement[bool]:
    """Return an SQL condition that is true for rows without an unexpired lease."""
    return or_(table.c.lease_until.is_(None), table.c.lease_until <= now)


async def lease_rows(
    session: Session, table: Table, selection: Select[Any], lease: UUID, now: datetime
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Lease and return the rows whose ids `selection` selects, except those that another worker has locked."""
    # As a WITH query it runs once; a plan may run a subquery with a limit several times and so lease more rows.
    ids = selection.with_for_update(of=table, skip_locked=True).cte("selection")
    leased = update(table).where(table.c.id.in_(select(ids.c.id)))
    leased = leased.values(lease=lease, lease_until=now + LEASE_DURATION)
    rows: Sequence[Row[*tuple[Any, ...]]] = (await session.execute(leased.returning(table))).all()
    return rows


def update_leased(table: Table, identifier: UUID, lease: UUID) -> Update:
    """Return an SQL update of a leased row that has no effect if the lease was lost to another worker."""
    return update(table).where(table.c.id == identifier, table.c.lease == lease)
