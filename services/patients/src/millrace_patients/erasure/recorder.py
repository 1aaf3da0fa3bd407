"""Copies erasures from the database to the ledger."""

from dataclasses import dataclass

from sqlalchemy import select, update

from millrace_patients.erasure.ledger import ErasureLedger
from millrace_patients.schema import person
from millrace_platform.audit.unit_of_work import UnitsOfWork
from millrace_platform.periodic import run_in_batches, run_periodically

PAUSE = 5.0
"""Seconds between two runs."""
BATCH = 50


@dataclass(frozen=True, slots=True)
class ErasureRecorder:
    """Background task that adds each committed erasure to the ledger within seconds; several instances may run."""

    units: UnitsOfWork
    ledger: ErasureLedger

    async def run(self) -> None:
        """Add new erasures every `PAUSE` seconds until cancelled; while the ledger is unavailable they wait."""
        await run_periodically(self.run_once, name="erasures", pause=PAUSE)

    async def run_once(self) -> None:
        """Add all erasures that aren't in the ledger. Raises `Unavailable`."""
        await run_in_batches(self._record_batch, BATCH)

    async def _record_batch(self) -> int:
        query = select(person.c.id, person.c.erased_at).where(
            person.c.erased_at.is_not(None), ~person.c.is_erasure_recorded
        )
        async with self.units.database.read() as session:
            found = (await session.execute(query.limit(BATCH))).all()
        if not found:
            return 0
        for row in found:
            await self.ledger.add(row.id, row.erased_at)
        async with self.units.begin() as work:
            recorded = update(person).where(person.c.id.in_([row.id for row in found]))
            await work.session.execute(recorded.values(is_erasure_recorded=True))
        return len(found)
