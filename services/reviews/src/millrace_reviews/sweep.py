"""Forgets visits that nobody can review any more: who was at which provider is not kept without need."""

from dataclasses import dataclass
from datetime import timedelta

from millrace_platform.rounds import in_batches, in_rounds
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_reviews.visit import repository as visits

PAUSE = 3_600.0
"""Seconds between two rounds."""
GRACE = timedelta(days=31)
"""How long a patient is still told that it is too late; after that the visit is as unknown."""
CHUNK = 5_000
"""Visits that one transaction removes."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Any number may run at once."""

    units: UnitsOfWork
    window: timedelta

    async def run(self) -> None:
        """See `in_rounds`."""
        await in_rounds(self.once, name="sweep", pause=PAUSE)

    async def once(self) -> None:
        """One round."""
        before = self.units.now() - self.window - GRACE

        async def batch() -> int:
            async with self.units.begin() as work:
                return await visits.remove_old(work.session, before, CHUNK)

        await in_batches(batch, CHUNK)
