"""Periodic cleanup: expires holds, and deletes rows whose retention is over."""

import asyncio
import logging
from dataclasses import dataclass

from millrace_platform import idempotency
from millrace_platform.errors import Problem
from millrace_platform.periodic import run_in_batches
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_scheduling.reservation import repository as reservations

EXPIRIES_PER_DELETION = 300
"""Holds expire in each run; old rows are deleted in one of this many runs."""

_log = logging.getLogger("scheduling.cleanup")


@dataclass(frozen=True, slots=True)
class Cleanup:
    """Periodic cleanup task; can run in several processes at once. `pause` is the seconds between two runs."""

    units: UnitsOfWork
    pause: float

    async def run(self) -> None:
        """Clean up every `pause` seconds until cancelled. A failed run is logged; the next one does its work too."""
        number = 0
        while True:
            try:
                await self.expire_holds()
                if number % EXPIRIES_PER_DELETION == 0:
                    await self.delete_old_rows()
            except (Problem, OSError) as error:
                _log.warning("cleanup failed, will be retried", extra={"reason": type(error).__name__})
            number += 1
            await asyncio.sleep(self.pause)

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
