"""Removes what has had its time: settled timers, messages with their deliveries, notes of account mails."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.account_mail import repository as account_mails
from millrace_notifications.delivery import repository as deliveries
from millrace_notifications.timer import repository as timers
from millrace_platform.database import Database, Session
from millrace_platform.rounds import in_batches, in_rounds

PAUSE = 3600.0
"""Seconds between two rounds."""
BATCH = 1_000
"""Rows that one transaction removes; with a message go its deliveries and their attempts."""
KEPT = timedelta(days=30)
"""What was sent, and the log of deliveries."""
ACCOUNT_MAILS_KEPT = timedelta(days=3)
"""`patients` keeps a mail for a day: what was sent can't come again after that."""

Forget: TypeAlias = Callable[[Session, datetime, int], Awaitable[int]]
"""Removes up to so many rows from before a moment; how many."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Any number may run at once."""

    database: Database
    clock: Clock

    async def run(self) -> None:
        """See `in_rounds`."""
        await in_rounds(self.once, name="sweep", pause=PAUSE)

    async def once(self) -> None:
        """One round."""
        now = utc_now(self.clock)
        for forget_old, kept in (
            (timers.forget_old, KEPT),
            (deliveries.forget_old, KEPT),
            (account_mails.forget_old, ACCOUNT_MAILS_KEPT),
        ):
            await in_batches(partial(self._batch, forget_old, now - kept), BATCH)

    async def _batch(self, forget_old: Forget, before: datetime) -> int:
        async with self.database.transaction() as session:
            return await forget_old(session, before, BATCH)
