"""Periodic removal of expired challenges, attempt counts, sessions and emails."""

from dataclasses import dataclass

from millrace_patients.challenge.service import Challenges
from millrace_patients.email_queue.service import EmailQueue
from millrace_patients.session.service import Sessions
from millrace_patients.throttle.service import Throttle
from millrace_platform.audit.unit_of_work import UnitsOfWork
from millrace_platform.periodic import run_periodically

PAUSE = 300.0
"""Seconds between two sweeps."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Deletes expired rows. Several instances may do so concurrently."""

    units: UnitsOfWork
    challenges: Challenges
    sessions: Sessions
    throttle: Throttle
    emails: EmailQueue

    async def run(self) -> None:
        """Delete expired rows every `PAUSE` seconds until cancelled."""
        await run_periodically(self.run_once, name="sweep", pause=PAUSE)

    async def run_once(self) -> None:
        """Delete all rows that have expired by now."""
        async with self.units.begin() as work:
            await self.challenges.delete_expired(work.session, work.now)
            await self.sessions.delete_expired(work.session, work.now)
            await self.throttle.delete_expired(work.session)
            await self.emails.delete_expired(work.session, work.now)
