"""The directory's unit of work: a change, what follows from it, and all their events are one commit."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from millrace_directory.events import Action, Event, Key
from millrace_directory.fan_out import follow
from millrace_directory.feed import Change, emit, emit_one
from millrace_directory.wire import E, Kind, Written
from millrace_platform.database import Database, Session
from millrace_platform.database_errors import problems_of_driver
from millrace_platform.unit_of_work import Envelopes


@dataclass(frozen=True, slots=True)
class Work:
    """One transaction. Tell of a row (`emit`) only after it was written here: its lock keeps versions in order."""

    session: Session
    envelopes: Envelopes

    async def emit(self, change: Change) -> None:
        """Put the changed rows' events into the outbox."""
        await emit(self.session, self.envelopes, change)

    async def emit_one(self, kind: Kind[E], key: Key, action: Action) -> Written[E]:
        """Put one changed row's event into the outbox; the row as it stands."""
        return await emit_one(self.session, self.envelopes, kind, key, action)

    async def follow(self, events: Iterable[Event]) -> None:
        """Do what the events mean to others, and tell of that too."""
        for event in events:
            with problems_of_driver(self.session.driver):
                async for change in follow(self.session.driver, event, self.now()):
                    await self.emit(change)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.envelopes.clock.time(), UTC)


@dataclass(frozen=True, slots=True)
class Units:
    """Begins units of work."""

    database: Database
    envelopes: Envelopes

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Work]:
        """Committed where the block ends, rolled back where it raises."""
        async with self.database.transaction() as session:
            yield Work(session, self.envelopes)
