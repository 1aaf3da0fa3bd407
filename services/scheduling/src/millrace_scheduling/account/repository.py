"""The table of accounts with their roles, filled from `account` events."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Column, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import Session
from millrace_platform.statements import fetch_first
from millrace_scheduling.account.model import AccountRoles
from millrace_scheduling.tables import metadata

accounts = Table(
    "accounts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("practice_ids", ARRAY(Uuid), nullable=False),
    CheckConstraint("version > 0", name="version"),
)

_FIND: Final = "SELECT id, version, roles, practice_ids FROM accounts WHERE id = $1"


async def find(session: Session, account_id: UUID) -> AccountRoles | None:
    """Return the account; None if it never had an event, or if another issuer manages the accounts."""
    row = await fetch_first(session, _FIND, account_id)
    if row is None:
        return None
    return AccountRoles(row["id"], row["version"], tuple(row["roles"]), tuple(row["practice_ids"]))


async def save_newer(session: Session, consumed: Sequence[AccountRoles]) -> None:
    """Insert or update accounts newer than their rows. Each id may occur only once."""
    # Sorted, so that two consumers can't deadlock while a lease changes hands.
    rows = [asdict(each) for each in sorted(consumed, key=lambda each: each.id)]
    statement = insert(accounts)
    upsert = statement.on_conflict_do_update(
        index_elements=[accounts.c.id],
        set_={name: statement.excluded[name] for name in ("version", "roles", "practice_ids")},
        where=accounts.c.version < statement.excluded.version,
    )
    await session.execute(upsert, rows)
