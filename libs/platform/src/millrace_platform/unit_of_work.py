"""A change and the events that tell of it: one commit."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import msgspec

from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import Contract, E
from millrace_feeds.clock import Clock, rfc3339
from millrace_feeds.outbox import (
    NOTIFY_STATEMENT,
    OUTBOX_COLUMNS,
    OUTBOX_INSERT_AND_NOTIFY,
    OUTBOX_TABLE,
    outbox_record,
)
from millrace_feeds.tracing import current_traceparent
from millrace_platform.database import Database, Session
from millrace_platform.database_errors import problems_of_driver
from millrace_platform.ids import EventIds

Action = Literal["created", "updated", "deleted"]

_DELETED = b"null"


class Event(msgspec.Struct, frozen=True):
    """An aggregate's step to `version`. `data` is its whole state after it as JSON, `null` when it was deleted."""

    entity: str
    dataschema: str
    subject: str
    action: str
    version: int
    data: bytes

    @classmethod
    def written(cls, contract: Contract[E], entity: E, *, action: Action, version: int) -> "Event":
        """The entity was created or updated."""
        data = msgspec.json.encode(entity)
        return cls(contract.name, contract.dataschema, contract.subject(entity), action, version, data)

    @classmethod
    def deleted(cls, contract: Contract[E], *key: str, version: int) -> "Event":
        """The entity with this key (the subject's parts) is gone."""
        subject = "/".join((contract.name, *key))
        return cls(contract.name, contract.dataschema, subject, "deleted", version, _DELETED)


@dataclass(frozen=True, slots=True)
class Envelopes:
    """Puts events of one service into envelopes. `source` is e.g. `/services/directory`."""

    source: str
    clock: Clock
    ids: EventIds

    def of(self, events: Iterable[Event], *, replay: bool = False) -> list[Envelope]:
        """All with this moment as their time and with the running span as their trace."""
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


class UnitOfWork:
    """One transaction with its events. Record an event only after its aggregate's row was written in `session`.

    That row's lock makes the outbox rows of a key rise in version order, however late the transaction commits.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._events: list[Event] = []

    def record(self, *events: Event) -> None:
        """Have the events written to the outbox with the commit, in this order."""
        self._events.extend(events)

    def take(self) -> list[Event]:
        """What was recorded and not yet taken."""
        events, self._events = self._events, []
        return events


@dataclass(frozen=True, slots=True)
class UnitsOfWork:
    """Begins units of work on a database with an `outbox` table."""

    database: Database
    envelopes: Envelopes

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        """Committed with its events where the block ends, rolled back where it raises; nothing is known before."""
        async with self.database.transaction() as session:
            work = UnitOfWork(session)
            yield work
            await put(session, self.envelopes.of(work.take()))


async def put(session: Session, envelopes: Iterable[Envelope]) -> None:
    """Write envelopes to the outbox in the session's transaction; its commit wakes the relay."""
    records = [outbox_record(envelope) for envelope in envelopes]
    if not records:
        return
    with problems_of_driver(session.driver):
        if len(records) == 1:
            await session.driver.fetch(OUTBOX_INSERT_AND_NOTIFY, *records[0])
            return
        await session.driver.copy_records_to_table(OUTBOX_TABLE, columns=OUTBOX_COLUMNS, records=records)
        await session.driver.execute(NOTIFY_STATEMENT)
