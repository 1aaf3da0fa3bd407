"""Periodic deletion of settled emails, old messages with their deliveries, and rows of account emails."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.account_email import repository as account_emails
from millrace_notifications.delivery import repository as deliveries
from millrace_notifications.scheduled_email import repository as scheduled_emails
from millrace_platform.database import Database, Session
from millrace_platform.periodic import run_in_batches, run_periodically

PAUSE = 3600.0
"""Seconds between two runs of the sweep."""
BATCH = 1_000
"""Maximum of rows deleted by one transaction; each message's deliveries and attempts are deleted too."""
RETENTION = timedelta(days=30)
"""Retention of scheduled emails with a final outcome and of webhook messages."""
ACCOUNT_EMAIL_RETENTION = timedelta(days=3)
"""Longer than the day for which `patients` queues an email, so a deleted row's email can't be fetched again."""

DeleteOld: TypeAlias = Callable[[Session, datetime, int], Awaitable[int]]
"""Function that deletes up to a number of rows older than a time, and returns how many."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Periodic task that deletes old rows. Any number of instances may run at once."""

    database: Database
    clock: Clock

    async def run(self) -> None:
        """Run the sweep every `PAUSE` seconds until cancelled; a failed run is logged."""
        await run_periodically(self.run_once, name="sweep", pause=PAUSE)

    async def run_once(self) -> None:
        """Delete all rows whose retention has ended."""
        now = utc_now(self.clock)
        for delete_old, retention in (
            (scheduled_emails.delete_old, RETENTION),
            (deliveries.delete_old, RETENTION),
            (account_emails.delete_old, ACCOUNT_EMAIL_RETENTION),
        ):
            await run_in_batches(partial(self._delete_batch, delete_old, now - retention), BATCH)

    async def _delete_batch(self, delete_old: DeleteOld, before: datetime) -> int:
        async with self.database.transaction() as session:
            return await delete_old(session, before, BATCH)
