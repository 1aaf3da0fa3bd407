"""Events of changed rows, straight over the driver: an import changes many rows in few statements."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

from asyncpg import Connection
from sqlalchemy import any_, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from directory.events import Action
from directory.feed import Change, events_of
from directory.wire import Kind, Row
from millrace_feeds.outbox import NOTIFY_STATEMENT, OUTBOX_COLUMNS, OUTBOX_TABLE, OutboxRecord, outbox_record
from millrace_platform.unit_of_work import Envelopes

FETCHED_ROWS = 5_000
"""Rows that are read at a time: what a change of very many rows holds in memory."""
ENCODED_ROWS = 250


@cache
def _select_by_keys(kind: Kind[Any]) -> str:
    """The kind's query by an array of keys, `$1`, for asyncpg."""
    query = kind.query.where(kind.key == any_(bindparam("keys", type_=ARRAY(kind.key.type))))
    # SQLAlchemy publishes its dialects without types.
    return str(query.compile(dialect=asyncpg_dialect()))  # type: ignore[no-untyped-call]


class Emitter:
    """Tells of changes in the connection's transaction, and counts what it told."""

    def __init__(self, connection: Connection, envelopes: Envelopes) -> None:
        self._connection = connection
        self._envelopes = envelopes
        self.told: Counter[str] = Counter()

    async def emit(self, change: Change) -> None:
        """Put the rows' events, as the rows stand now, into the outbox; the commit wakes the relay."""
        for start in range(0, len(change.keys), FETCHED_ROWS):
            rows = await self._connection.fetch(_select_by_keys(change.kind), change.keys[start : start + FETCHED_ROWS])
            await self.tell(change.kind, change.action, rows)

    async def tell(self, kind: Kind[Any], action: Action, rows: Sequence[Row]) -> None:
        """As `emit`, of rows that are at hand as they stand now."""
        # Made while they are copied: the database takes the first of them in while the next ones are encoded.
        await self._put(kind, action, len(rows), chain.from_iterable(self._parts(kind, action, rows)))

    async def tell_added(self, kind: Kind[Any], rows: Sequence[Row], adding: Awaitable[object]) -> None:
        """Tell of new rows behind `adding`; what is told is made while the database adds them."""
        added = asyncio.ensure_future(adding)
        records: list[OutboxRecord] = []
        try:
            for part in self._parts(kind, Action.CREATED, rows):
                records += part
                await asyncio.sleep(0)
        finally:
            await added
        await self._put(kind, Action.CREATED, len(rows), records)

    async def _put(self, kind: Kind[Any], action: Action, count: int, records: Iterable[OutboxRecord]) -> None:
        await self._connection.copy_records_to_table(OUTBOX_TABLE, columns=OUTBOX_COLUMNS, records=records)
        await self._connection.execute(NOTIFY_STATEMENT)
        self.told[f"{kind.contract.name} {action}"] += count

    def _parts(self, kind: Kind[Any], action: Action, rows: Sequence[Row]) -> Iterator[list[OutboxRecord]]:
        for start in range(0, len(rows), ENCODED_ROWS):
            events = events_of(kind, rows[start : start + ENCODED_ROWS], action)
            yield [outbox_record(envelope) for envelope in self._envelopes.of(events)]
