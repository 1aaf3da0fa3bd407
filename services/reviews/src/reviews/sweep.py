"""Forgets visits that nobody can review any more: who was at which provider is not kept without need."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from millrace_platform.unit_of_work import UnitsOfWork
from reviews.clock import Now
from reviews.visit import repository as visits

PAUSE = 3_600.0
"""Seconds between two rounds."""
GRACE = timedelta(days=31)
"""How long a patient is still told that it is too late; after that the visit is as unknown."""
CHUNK = 5_000
"""Visits that one transaction removes."""

_log = logging.getLogger("reviews.sweep")


@dataclass(frozen=True, slots=True)
class Sweep:
    """Any number may run at once."""

    units: UnitsOfWork
    now: Now
    window: timedelta

    async def run(self) -> None:
        """One round after the other until it is cancelled; a round that fails is made up by the next."""
        while True:
            try:
                await self.once()
            except Exception as error:
                _log.warning("sweep failed", extra={"reason": type(error).__name__})
            await asyncio.sleep(PAUSE)

    async def once(self) -> None:
        """One round."""
        before = self.now() - self.window - GRACE
        removed = CHUNK
        while removed == CHUNK:
            async with self.units.begin() as work:
                removed = await visits.remove_old(work.session, before, CHUNK)
