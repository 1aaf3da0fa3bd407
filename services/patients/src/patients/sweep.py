"""Removes what has had its time: challenges, counts, sessions, mail."""

import asyncio
import logging
from dataclasses import dataclass

from patients.challenge.service import Challenges
from patients.mail.stored import StoredMail
from patients.session.service import Sessions
from patients.throttle.service import Throttle
from patients.unit_of_work import Units

PAUSE = 300.0
"""Seconds between two rounds."""

_log = logging.getLogger("patients.sweep")


@dataclass(frozen=True, slots=True)
class Sweep:
    """Any number may run at once."""

    units: Units
    challenges: Challenges
    sessions: Sessions
    throttle: Throttle
    mail: StoredMail

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
        async with self.units.begin() as work:
            await self.challenges.forget_old(work.session, work.now)
            await self.sessions.forget_old(work.session, work.now)
            await self.throttle.forget_old(work.session)
            await self.mail.forget_old(work.session, work.now)
