"""The table of providers."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Table, Text
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import Session
from millrace_scheduling.provider.model import Provider
from millrace_scheduling.tables import metadata

providers = Table(
    "providers",
    metadata,
    Column("npi", Text, primary_key=True),
    Column("name", Text),
    Column("version", BigInteger, nullable=False),
    Column("copied_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("version > 0", name="version"),
)
"""`copied_at` is when the copy last changed."""


async def save_newer(session: Session, consumed: Sequence[Provider], now: datetime) -> None:
    """Insert or update providers newer than their rows. Each NPI may occur only once."""
    # Sorted, so that two consumers can't deadlock while a lease changes hands.
    rows = [{**asdict(each), "copied_at": now} for each in sorted(consumed, key=lambda each: each.npi)]
    statement = insert(providers)
    upsert = statement.on_conflict_do_update(
        index_elements=[providers.c.npi],
        set_={name: statement.excluded[name] for name in ("name", "version", "copied_at")},
        where=providers.c.version < statement.excluded.version,
    )
    await session.execute(upsert, rows)
