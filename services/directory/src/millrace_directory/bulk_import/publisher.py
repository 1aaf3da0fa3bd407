"""Publish the events of changed rows with the driver: an import changes many rows in few statements."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from asyncpg import Connection

from millrace_directory.feed import Change, events_of
from millrace_directory.model import Action
from millrace_directory.wire import Kind, Row, query_by_keys
from millrace_feeds.outbox import NOTIFY_STATEMENT, OUTBOX_COLUMNS, OUTBOX_TABLE, NewOutboxRow, new_outbox_row
from millrace_platform.unit_of_work import Envelopes

FETCHED_ROWS = 5_000
"""Number of rows that are read at a time, to limit the memory for a change of very many rows."""
ENCODED_ROWS = 250
"""Number of rows that are encoded at a time, before other tasks continue."""


class EventPublisher:
    """Publishes events in the connection's transaction; `published` counts them by entity and action."""

    def __init__(self, connection: Connection, envelopes: Envelopes) -> None:
        self._connection = connection
        self._envelopes = envelopes
        self._encoding: deque[Iterator[list[NewOutboxRow]]] = deque()
        self._encoded: list[NewOutboxRow] = []
        self.published: Counter[str] = Counter()

    async def publish(self, change: Change) -> None:
        """Read the changed rows and write their events to the outbox; the commit wakes the relay, which publishes."""
        for start in range(0, len(change.keys), FETCHED_ROWS):
            rows = await self._connection.fetch(query_by_keys(change.kind), change.keys[start : start + FETCHED_ROWS])
            await self.publish_rows(change.kind, change.action, rows)

    async def publish_rows(self, kind: Kind[Any], action: Action, rows: Sequence[Row]) -> None:
        """Write events to the outbox for rows that were read from the database."""
        await self.flush()
        # Encoded lazily: the database takes in the first events while the next ones are encoded.
        await self._write(chain.from_iterable(self._encode(kind, action, rows)))
        self.published[f"{kind.contract.name} {action}"] += len(rows)

    async def publish_inserted(self, kind: Kind[Any], rows: Sequence[Row], insertion: Awaitable[object]) -> None:
        """Await `insertion`, which inserts the rows, and encode their events meanwhile.

        `flush` writes these events to the outbox.
        """
        inserted = asyncio.ensure_future(insertion)
        self._encoding.append(self._encode(kind, Action.CREATED, rows))
        try:
            while not inserted.done() and await self._encode_next():
                pass
        finally:
            await inserted
        self.published[f"{kind.contract.name} {Action.CREATED}"] += len(rows)

    async def flush(self) -> None:
        """Write the remaining events of inserted rows to the outbox. Call it before the transaction ends."""
        while await self._encode_next():
            pass
        if self._encoded:
            await self._write(self._encoded)
            self._encoded = []

    async def _encode_next(self) -> bool:
        """Encode the next events of inserted rows, then let other tasks run; return False if all are encoded."""
        while self._encoding:
            if part := next(self._encoding[0], None):
                self._encoded += part
                await asyncio.sleep(0)
                return True
            self._encoding.popleft()
        return False

    async def _write(self, records: Iterable[NewOutboxRow]) -> None:
        await self._connection.copy_records_to_table(OUTBOX_TABLE, columns=OUTBOX_COLUMNS, records=records)
        await self._connection.execute(NOTIFY_STATEMENT)

    def _encode(self, kind: Kind[Any], action: Action, rows: Sequence[Row]) -> Iterator[list[NewOutboxRow]]:
        for start in range(0, len(rows), ENCODED_ROWS):
            entities = map(kind.versioned, rows[start : start + ENCODED_ROWS])
            yield [new_outbox_row(envelope) for envelope in self._envelopes.of(events_of(kind, entities, action))]
