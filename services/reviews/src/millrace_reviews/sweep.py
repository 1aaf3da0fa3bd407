"""Periodic deletion of visits that can no longer be reviewed, since they are personal data."""

from dataclasses import dataclass
from datetime import timedelta

from millrace_platform.periodic import run_in_batches, run_periodically
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_reviews.visit import repository as visits

PAUSE = 3_600.0
"""Seconds between two sweeps."""
GRACE = timedelta(days=31)
"""Time after the window for reviews during which a new review is still refused as too late; afterwards with a 404."""
CHUNK = 5_000
"""Maximum number of visits that one transaction deletes."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Deletes visits that can no longer be reviewed. Several instances may do so concurrently."""

    units: UnitsOfWork
    window: timedelta

    async def run(self) -> None:
        """Delete old visits every `PAUSE` seconds until cancelled."""
        await run_periodically(self.run_once, name="sweep", pause=PAUSE)

    async def run_once(self) -> None:
        """Delete all unreviewed visits whose window for reviews ended more than `GRACE` ago."""
        before = self.units.now() - self.window - GRACE

        async def batch() -> int:
            async with self.units.begin() as work:
                return await visits.delete_old(work.session, before, CHUNK)

        await run_in_batches(batch, CHUNK)
