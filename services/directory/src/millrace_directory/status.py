"""The figures of the internal page."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import DateTime, column, func, select, table

from millrace_directory.dependencies import Directory
from millrace_feeds.outbox import OUTBOX_TABLE

_created = column("created_at", DateTime(timezone=True))
_OUTBOX = select(func.count(), func.extract("epoch", func.clock_timestamp() - func.min(_created)) * 1000).select_from(
    table(OUTBOX_TABLE, _created)
)


async def status(directory: Directory) -> dict[str, Any]:
    """Outbox (committed rows that wait, age of the oldest in ms), relay, last replay; all as plain values."""
    async with directory.database.read() as session:
        backlog, oldest = (await session.execute(_OUTBOX)).one()
    return {
        "outbox": {"backlog": backlog, "oldest_age_ms": None if oldest is None else round(float(oldest), 1)},
        "relay": asdict(directory.relay.status()),
        "replay": asdict(directory.replay.status),
    }
