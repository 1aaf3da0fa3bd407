"""A change and its events: one commit, at one moment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from millrace_platform.database import Database, Session
from millrace_platform.unit_of_work import Envelopes, Event, put


@dataclass(frozen=True, slots=True)
class Work:
    """One transaction at one moment."""

    session: Session
    now: datetime
    events: list[Event] = field(default_factory=list)

    def record(self, *events: Event) -> None:
        """Tell the feed. Call it only after the aggregate's row was written here."""
        self.events.extend(events)


@dataclass(frozen=True, slots=True)
class Units:
    """Begins units of work."""

    database: Database
    envelopes: Envelopes

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.envelopes.clock.time(), UTC)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Work]:
        """Committed with its events where the block ends, rolled back where it raises."""
        async with self.database.transaction() as session, self.within(session) as work:
            yield work

    @asynccontextmanager
    async def within(self, session: Session) -> AsyncIterator[Work]:
        """A transaction that is begun and ended elsewhere; the events are the last that is written in the block."""
        work = Work(session, self.now())
        yield work
        await put(session, self.envelopes.of(work.events))
