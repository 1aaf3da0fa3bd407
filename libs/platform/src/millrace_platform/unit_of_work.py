"""Commit a change and its events in one transaction."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import msgspec

from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import Contract, E
from millrace_feeds.clock import Clock, rfc3339, utc_now
from millrace_feeds.outbox import (
    NOTIFY_STATEMENT,
    OUTBOX_COLUMNS,
    OUTBOX_INSERT_AND_NOTIFY,
    OUTBOX_TABLE,
    new_outbox_row,
)
from millrace_feeds.tracing import current_traceparent
from millrace_platform.database import Database, Session
from millrace_platform.database_errors import driver_errors_as_problems
from millrace_platform.ids import EventIds

Action = Literal["created", "updated", "deleted"]

_DELETED = b"null"


class Event(msgspec.Struct, frozen=True):
    """A change of an aggregate to `version`. `data`: its whole state after the change as JSON, `null` if deleted."""

    entity: str
    dataschema: str
    subject: str
    action: str
    version: int
    data: bytes

    @classmethod
    def of_entity(cls, contract: Contract[E], entity: E, *, action: Action, version: int) -> "Event":
        """Return the event of an entity that was created or updated."""
        data = msgspec.json.encode(entity)
        return cls(contract.name, contract.dataschema, contract.subject(entity), action, version, data)

    @classmethod
    def of_deletion(cls, contract: Contract[E], *key: str, version: int) -> "Event":
        """Return the event of a deletion. `key`: the parts of the entity's subject after the contract's name."""
        subject = "/".join((contract.name, *key))
        return cls(contract.name, contract.dataschema, subject, "deleted", version, _DELETED)


@dataclass(frozen=True, slots=True)
class Envelopes:
    """Wraps events of one service in envelopes. `source` identifies the service, e.g. `/services/directory`."""

    source: str
    clock: Clock
    ids: EventIds

    def of(self, events: Iterable[Event], *, replay: bool = False) -> list[Envelope]:
        """Return the envelopes of events, all with the current time and the current span's `traceparent`."""
        time = rfc3339(self.clock.time())
        traceparent = current_traceparent()
        return [
            Envelope(
                id=str(self.ids()),
                source=self.source,
                type=f"millrace.{event.entity}.{event.action}",
                subject=event.subject,
                time=time,
                dataschema=event.dataschema,
                partitionkey=event.subject,
                entityversion=event.version,
                data=msgspec.Raw(event.data),
                traceparent=traceparent,
                replay=replay,
            )
            for event in events
        ]


@dataclass(slots=True)
class UnitOfWork:
    """One transaction with its events. `now` is the time of all its changes.

    Record an event only after its aggregate's row was written in `session`: the row's lock ensures that the outbox rows
    of a key are in version order, however late the transaction commits.
    """

    session: Session
    envelopes: Envelopes
    now: datetime
    _events: list[Event] = field(default_factory=list, init=False)

    def record(self, *events: Event) -> None:
        """Add events, which are published in this order once the transaction is committed."""
        self._events.extend(events)

    async def flush(self) -> None:
        """Write the recorded events to the outbox now, e.g. to release their memory, instead of before the commit."""
        events, self._events = self._events, []
        await write_to_outbox(self.session, self.envelopes.of(events))

    async def publish_replay(self, events: Iterable[Event]) -> None:
        """Write events with the current state of unchanged aggregates to the outbox, marked as a replay."""
        await write_to_outbox(self.session, self.envelopes.of(events, replay=True))


@dataclass(frozen=True, slots=True)
class UnitsOfWork:
    """Begins units of work on a database with an `outbox` table."""

    database: Database
    envelopes: Envelopes

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return utc_now(self.envelopes.clock)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        """Run the block in a transaction; commit it with its events at the end, roll back if the block raises."""
        async with self.database.transaction() as session, self.within(session) as work:
            yield work

    @asynccontextmanager
    async def within(self, session: Session) -> AsyncIterator[UnitOfWork]:
        """Yield a unit of work in the caller's transaction; write its events to the outbox at the end of the block."""
        work = UnitOfWork(session, self.envelopes, self.now())
        yield work
        await work.flush()


async def write_to_outbox(session: Session, envelopes: Iterable[Envelope]) -> None:
    """Write envelopes to the outbox in the session's transaction; its commit wakes the relay."""
    records = [new_outbox_row(envelope) for envelope in envelopes]
    if not records:
        return
    with driver_errors_as_problems(session.driver):
        if len(records) == 1:
            await session.driver.fetch(OUTBOX_INSERT_AND_NOTIFY, *records[0])
            return
        await session.driver.copy_records_to_table(OUTBOX_TABLE, columns=OUTBOX_COLUMNS, records=records)
        await session.driver.execute(NOTIFY_STATEMENT)
