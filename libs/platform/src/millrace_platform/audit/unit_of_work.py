"""Commit a change, its events and its entries of the audit trail in one transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from millrace_platform import unit_of_work
from millrace_platform.audit.model import AuditEntry
from millrace_platform.audit.repository import AuditTrail
from millrace_platform.database import Session


@dataclass(slots=True)
class UnitOfWork(unit_of_work.UnitOfWork):
    """One transaction with its events and audit entries."""

    entries: list[AuditEntry] = field(default_factory=list, init=False)

    def audit(self, entry: AuditEntry) -> None:
        """Append the entry of an access to the audit trail when the transaction commits."""
        self.entries.append(entry)


@dataclass(frozen=True, slots=True)
class UnitsOfWork(unit_of_work.UnitsOfWork):
    """Begins transactions with events and audit entries."""

    trail: AuditTrail

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        """Run the block in a transaction; commit it with its events and entries, roll back if the block raises."""
        async with self.database.transaction() as session, self.within(session) as work:
            yield work

    @asynccontextmanager
    async def within(self, session: Session) -> AsyncIterator[UnitOfWork]:
        """Yield a unit of work in the caller's transaction; write its events and entries at the end of the block."""
        work = UnitOfWork(session, self.envelopes, self.now())
        yield work
        await work.flush()
        # Last, because the head of a chain stays locked until the commit.
        await self.trail.append(session, work.entries, work.now)
