"""Periodic cleanup: expires holds, and deletes rows whose retention is over."""

from dataclasses import dataclass
from itertools import count

from millrace_platform import idempotency
from millrace_platform.errors import Problem
from millrace_platform.periodic import run_in_batches, run_periodically
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_scheduling.reservation import repository as reservations

EXPIRIES_PER_DELETION = 300
"""Runs of the cleanup, each of which expires holds, per deletion of old rows."""


@dataclass(frozen=True, slots=True)
class Cleanup:
    """Periodic cleanup task; can run in several processes at once. `pause` is the seconds between two runs."""

    units: UnitsOfWork
    pause: float

    async def run(self) -> None:
        """Clean up every `pause` seconds until cancelled. A failed run is logged; the next one does its work too."""
        numbers = count()

        async def run_once() -> None:
            await self.expire_holds()
            if next(numbers) % EXPIRIES_PER_DELETION == 0:
                await self.delete_old_rows()

        await run_periodically(run_once, name="sweep", pause=self.pause, retry_on=(Problem, OSError))

    async def expire_holds(self) -> None:
        """Release the time of expired holds."""
        await run_in_batches(self._expire_batch, reservations.EXPIRY_BATCH)

    async def _expire_batch(self) -> int:
        async with self.units.begin() as work:
            return await reservations.expire_holds(work.session, work.now)

    async def delete_old_rows(self) -> None:
        """Delete expired idempotency records and old released reservations."""
        async with self.units.begin() as work:
            await idempotency.delete_expired(work.session, work.now)
            await reservations.delete_released(work.session, work.now)
