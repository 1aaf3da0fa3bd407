"""Removes what has had its time: challenges, counts, sessions, mail."""

from dataclasses import dataclass

from millrace_patients.challenge.service import Challenges
from millrace_patients.mail.stored import StoredMail
from millrace_patients.session.service import Sessions
from millrace_patients.throttle.service import Throttle
from millrace_patients.unit_of_work import Units
from millrace_platform.rounds import in_rounds

PAUSE = 300.0
"""Seconds between two rounds."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Any number may run at once."""

    units: Units
    challenges: Challenges
    sessions: Sessions
    throttle: Throttle
    mail: StoredMail

    async def run(self) -> None:
        """See `in_rounds`."""
        await in_rounds(self.once, name="sweep", pause=PAUSE)

    async def once(self) -> None:
        """One round."""
        async with self.units.begin() as work:
            await self.challenges.forget_old(work.session, work.now)
            await self.sessions.forget_old(work.session, work.now)
            await self.throttle.forget_old(work.session)
            await self.mail.forget_old(work.session, work.now)
