"""Events of changed rows, straight over the driver: an import changes many rows in few statements."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from asyncpg import Connection

from millrace_directory.events import Action
from millrace_directory.feed import Change, events_of
from millrace_directory.wire import Kind, Row, by_keys
from millrace_feeds.outbox import NOTIFY_STATEMENT, OUTBOX_COLUMNS, OUTBOX_TABLE, OutboxRecord, outbox_record
from millrace_platform.unit_of_work import Envelopes

FETCHED_ROWS = 5_000
"""Rows that are read at a time: what a change of very many rows holds in memory."""
ENCODED_ROWS = 250


class Emitter:
    """Tells of changes in the connection's transaction, and counts what it told."""

    def __init__(self, connection: Connection, envelopes: Envelopes) -> None:
        self._connection = connection
        self._envelopes = envelopes
        self._making: deque[Iterator[list[OutboxRecord]]] = deque()
        self._made: list[OutboxRecord] = []
        self.told: Counter[str] = Counter()

    async def emit(self, change: Change) -> None:
        """Put the rows' events, as the rows stand now, into the outbox; the commit wakes the relay."""
        for start in range(0, len(change.keys), FETCHED_ROWS):
            rows = await self._connection.fetch(by_keys(change.kind), change.keys[start : start + FETCHED_ROWS])
            await self.tell(change.kind, change.action, rows)

    async def tell(self, kind: Kind[Any], action: Action, rows: Sequence[Row]) -> None:
        """As `emit`, of rows that are at hand as they stand now."""
        await self.tell_rest()
        # Made while they are copied: the database takes the first of them in while the next ones are encoded.
        await self._put(chain.from_iterable(self._parts(kind, action, rows)))
        self.told[f"{kind.contract.name} {action}"] += len(rows)

    async def tell_added(self, kind: Kind[Any], rows: Sequence[Row], adding: Awaitable[object]) -> None:
        """Tell of new rows behind `adding`, by `tell_rest`. What is told is made while the database adds rows."""
        added = asyncio.ensure_future(adding)
        self._making.append(self._parts(kind, Action.CREATED, rows))
        try:
            while not added.done() and await self._make():
                pass
        finally:
            await added
        self.told[f"{kind.contract.name} {Action.CREATED}"] += len(rows)

    async def tell_rest(self) -> None:
        """Put what is still to be told of new rows into the outbox. To be called before the transaction ends."""
        while await self._make():
            pass
        if self._made:
            await self._put(self._made)
            self._made = []

    async def _make(self) -> bool:
        """Make the next part of what is to be told of new rows, let others go on; False where all is made."""
        while self._making:
            if part := next(self._making[0], None):
                self._made += part
                await asyncio.sleep(0)
                return True
            self._making.popleft()
        return False

    async def _put(self, records: Iterable[OutboxRecord]) -> None:
        await self._connection.copy_records_to_table(OUTBOX_TABLE, columns=OUTBOX_COLUMNS, records=records)
        await self._connection.execute(NOTIFY_STATEMENT)

    def _parts(self, kind: Kind[Any], action: Action, rows: Sequence[Row]) -> Iterator[list[OutboxRecord]]:
        for start in range(0, len(rows), ENCODED_ROWS):
            events = events_of(kind, rows[start : start + ENCODED_ROWS], action)
            yield [outbox_record(envelope) for envelope in self._envelopes.of(events)]
