"""A change, its events and its entries in the audit trail: one commit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from millrace_patients.audit.model import Entry
from millrace_patients.audit.repository import AuditTrail
from millrace_platform.database import Database, Session
from millrace_platform.unit_of_work import Envelopes, Event, put


@dataclass(frozen=True, slots=True)
class Work:
    """One transaction at one moment."""

    session: Session
    now: datetime
    events: list[Event] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def record(self, event: Event) -> None:
        """Tell the feed. Call it only after the aggregate's row was written here."""
        self.events.append(event)

    def note(self, entry: Entry) -> None:
        """Put an access to personal data on the audit trail."""
        self.entries.append(entry)


@dataclass(frozen=True, slots=True)
class Units:
    """Begins units of work."""

    database: Database
    envelopes: Envelopes
    trail: AuditTrail

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.envelopes.clock.time(), UTC)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Work]:
        """Committed with its events and entries where the block ends, rolled back where it raises."""
        async with self.database.transaction() as session:
            work = Work(session, self.now())
            yield work
            await put(session, self.envelopes.of(work.events))
            await self.trail.append(session, work.entries, work.now)
