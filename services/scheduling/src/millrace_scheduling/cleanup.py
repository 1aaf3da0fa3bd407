"""Gives lapsed holds up, and removes what has had its time."""

import asyncio
import logging
from dataclasses import dataclass

from millrace_platform import idempotency
from millrace_platform.errors import Problem
from millrace_platform.rounds import in_batches
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_scheduling.reservation import repository as claims

ROUNDS_TO_TIDY = 300
"""So many rounds of lapsing for one of removing."""

_log = logging.getLogger("scheduling.sweep")


@dataclass(frozen=True, slots=True)
class Cleanup:
    """Any number may run at once. `pause` is the time between two rounds, in seconds."""

    units: UnitsOfWork
    pause: float

    async def run(self) -> None:
        """One round after the other until it is cancelled; a round that fails is made up by the next."""
        number = 0
        while True:
            try:
                await self.lapse()
                if number % ROUNDS_TO_TIDY == 0:
                    await self.tidy()
            except (Problem, OSError) as error:
                _log.warning("sweep failed", extra={"reason": type(error).__name__})
            number += 1
            await asyncio.sleep(self.pause)

    async def lapse(self) -> None:
        """The time of holds that have lapsed is free again, and told so."""
        await in_batches(self._lapse, claims.LAPSED_AT_ONCE)

    async def _lapse(self) -> int:
        async with self.units.begin() as work:
            return await claims.lapse(work.session, work.now)

    async def tidy(self) -> None:
        """Remove old answers and old claims."""
        async with self.units.begin() as work:
            await idempotency.sweep(work.session, work.now)
            await claims.forget_old(work.session, work.now)
