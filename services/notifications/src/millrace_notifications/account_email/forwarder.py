"""Fetches account emails from the queue of the service `patients`, sends them, and deletes them from the queue.

The outcome is recorded here before the email is deleted there, so a failed deletion doesn't send it again.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from uuid import UUID

from millrace_feeds.backoff import Backoff
from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.account_email import repository
from millrace_notifications.account_email.templates import fill_template
from millrace_notifications.email.content import render_email
from millrace_notifications.email.model import EmailRejectedError, EmailUnavailableError, Mailer
from millrace_notifications.patients_client import AccountEmail, AccountEmailQueue
from millrace_notifications.stats import Stats
from millrace_notifications.worker import DRAIN_SECONDS
from millrace_platform.database import Database
from millrace_platform.ids import Ids

RETRY_BACKOFF = Backoff(first=2.0, ceiling=300.0)
MAX_POLL_SECONDS = 60.0
START_FAILURES = 5
"""Failures (half a minute) before the first success that are no warning, because `patients` may be starting too."""

_log = logging.getLogger("notifications.account_email")


@dataclass(frozen=True, slots=True)
class AccountEmailForwarder:
    """Polls the queue of account emails and sends them.

    `interval` is the pause between two polls in seconds; it grows while `patients` or SES is unavailable.
    """

    database: Database
    queue: AccountEmailQueue
    mailer: Mailer
    url: str
    interval: float
    clock: Clock
    ids: Ids
    random: Random
    stats: Stats

    async def run(self) -> None:
        """Poll until cancelled. On cancellation, finish the current poll within `DRAIN_SECONDS`."""
        failures, has_succeeded = 0, False
        while True:
            poll = asyncio.ensure_future(self.run_once())
            try:
                succeeded = await asyncio.shield(poll)
            except asyncio.CancelledError:
                await asyncio.wait([poll], timeout=DRAIN_SECONDS)
                poll.cancel()
                raise
            except Exception as error:
                if has_succeeded or failures >= START_FAILURES:
                    _log.warning("fetching account emails failed", extra={"reason": type(error).__name__})
                elif failures == 0:
                    _log.info("waiting for the service patients")
                succeeded = False
            has_succeeded |= succeeded
            failures = 0 if succeeded else failures + 1
            await asyncio.sleep(self._pause(failures))

    async def run_once(self) -> bool:
        """Send the queued emails; return False if one has to be retried later. Raises `PatientsUnavailableError`."""
        queued = {email.id: email for email in await self.queue.list_emails()}
        if not queued:
            return True
        lease, now = self.ids(), utc_now(self.clock)
        async with self.database.transaction() as session:
            await repository.insert_new(session, queued.keys(), now)
            settled = await repository.list_settled(session, queued.keys())
            attempts = await repository.lease_due(session, queued.keys(), lease, now)
        for identifier in settled:
            await self.queue.delete(identifier)
        succeeded = True
        for email in queued.values():
            if email.id not in attempts:
                continue
            if succeeded:
                succeeded = await self._send(email, lease, attempts[email.id])
            else:
                await self._postpone(email.id, lease, attempts[email.id])
        return succeeded

    async def _send(self, email: AccountEmail, lease: UUID, attempts: int) -> bool:
        content = fill_template(email.kind, email.token, self.url)
        try:
            if content is None:
                raise EmailRejectedError("unknown_kind")
            await self.mailer.send(render_email(content, identifier=str(email.id), kind=email.kind, to=email.to))
            outcome = "sent"
        except EmailRejectedError as error:
            context = {"email_id": str(email.id), "kind": email.kind, "reason": str(error)}
            _log.warning("account email rejected", extra=context)
            outcome = "failed"
        except EmailUnavailableError:
            self.stats.count_email(email.kind, "postponed")
            await self._postpone(email.id, lease, attempts)
            return False
        self.stats.count_email(email.kind, outcome)
        async with self.database.transaction() as session:
            await repository.settle(session, email.id, lease, outcome)
        await self.queue.delete(email.id)
        return True

    async def _postpone(self, identifier: UUID, lease: UUID, attempts: int) -> None:
        delay = timedelta(seconds=RETRY_BACKOFF.delay(attempts + 1, self.random))
        async with self.database.transaction() as session:
            await repository.postpone(session, identifier, lease, utc_now(self.clock) + delay)

    def _pause(self, failures: int) -> float:
        if failures == 0:
            return self.interval
        return Backoff(first=self.interval, ceiling=MAX_POLL_SECONDS).delay(failures, self.random)
