"""Periodic deletion of visits that can no longer be reviewed, since they are personal data."""

from dataclasses import dataclass
from datetime import timedelta

from millrace_platform.periodic import run_in_batches, run_periodically
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_reviews.visit import repository as visits

PAUSE = 3_600.0
"""Seconds between two runs."""
GRACE = timedelta(days=31)
"""Time after the window in which a patient still gets the reason (too late) instead of a 404."""
CHUNK = 5_000
"""Visits deleted by one transaction."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Deletes old visits. Any number of instances may run at once."""

    units: UnitsOfWork
    window: timedelta

    async def run(self) -> None:
        """See `run_periodically`."""
        await run_periodically(self.run_once, name="sweep", pause=PAUSE)

    async def run_once(self) -> None:
        """Delete all visits whose window and grace period have ended."""
        before = self.units.now() - self.window - GRACE

        async def batch() -> int:
            async with self.units.begin() as work:
                return await visits.delete_old(work.session, before, CHUNK)

        await run_in_batches(batch, CHUNK)
