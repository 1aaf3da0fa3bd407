"""Removes what has had its time: settled timers, messages with their deliveries, notes of account mails."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from millrace_platform.clock import Clock
from millrace_platform.database import Database
from notifications.account_mail import repository as account_mails
from notifications.delivery import repository as deliveries
from notifications.moments import now_of
from notifications.timer import repository as timers

PAUSE = 3600.0
"""Seconds between two rounds."""
KEPT = timedelta(days=30)
ACCOUNT_MAILS_KEPT = timedelta(days=3)
"""`patients` keeps a mail for a day: what was sent can't come again after that."""

_log = logging.getLogger("notifications.sweep")


@dataclass(frozen=True, slots=True)
class Sweep:
    """Any number may run at once."""

    database: Database
    clock: Clock

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
        now = now_of(self.clock)
        async with self.database.transaction() as session:
            await timers.forget_old(session, now - KEPT)
            await deliveries.forget_old(session, now - KEPT)
            await account_mails.forget_old(session, now - ACCOUNT_MAILS_KEPT)
