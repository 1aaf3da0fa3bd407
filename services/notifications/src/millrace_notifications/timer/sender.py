"""Sends the emails whose timers are due.

Delivery is at least once and normally exactly once: a timer is leased to one worker and marked as sent right after SES
accepts the email. Only if the process is killed in between, or SES accepts after the timeout, a second email with the
same id is sent. A shutdown finishes running sends first.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from millrace_feeds.backoff import Backoff
from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.email.content import render_email
from millrace_notifications.email.model import Email, EmailRejectedError, EmailUnavailableError, Mailer
from millrace_notifications.email.token_bucket import TokenBucket
from millrace_notifications.patients_client import Contact, Contacts, PatientsUnavailableError
from millrace_notifications.provider_location.repository import find_provider, find_provider_location
from millrace_notifications.stats import Stats
from millrace_notifications.timer import repository
from millrace_notifications.timer.model import DueTimer
from millrace_notifications.timer.repository import Outcome
from millrace_notifications.timer.templates import TemplateContext, fill_template
from millrace_platform.database import Database
from millrace_platform.ids import Ids

RETRY_BACKOFF = Backoff(first=5.0, ceiling=600.0)

_log = logging.getLogger("notifications.timers")


@dataclass(frozen=True, slots=True)
class EmailSender:
    """Leases due timers and sends their emails. `url` is the website's URL, which links begin with."""

    database: Database
    contacts: Contacts
    mailer: Mailer
    rate_limit: TokenBucket
    url: str
    clock: Clock
    ids: Ids
    random: Random
    stats: Stats

    async def lease_due(self, limit: int) -> Sequence[DueTimer]:
        """Lease and return due timers, up to `limit` and no more than the rate limit allows."""
        allowed = self.rate_limit.take(limit)
        if not allowed:
            return []
        async with self.database.transaction() as session:
            timers = await repository.lease_due(session, self.ids(), utc_now(self.clock), allowed)
        self.rate_limit.return_unused(allowed - len(timers))
        return timers

    async def send(self, timer: DueTimer) -> None:
        """Send the email of a leased timer, record without sending that it is void, or schedule a retry."""
        if utc_now(self.clock) >= timer.expires_at:
            await self._settle(timer, "expired", None)
            return
        try:
            contact = await self.contacts.find_contact(timer.patient_id)
            if contact is None:
                await self._settle(timer, "dropped", "no_contact")
                return
            email = await self._render(timer, contact)
            if await self._may_send(timer):
                await self.mailer.send(email)
                await self._settle(timer, "sent", None)
        except EmailRejectedError as error:
            await self._settle(timer, "failed", str(error))
        except (EmailUnavailableError, PatientsUnavailableError) as error:
            await self._postpone(timer, str(error))

    async def _render(self, timer: DueTimer, contact: Contact) -> Email:
        data = timer.data
        async with self.database.read() as session:
            provider = await find_provider(session, data.npi)
            location = await find_provider_location(session, data.provider_location_id)
        context = TemplateContext(data, contact.given_name, provider, location, self.url)
        content = fill_template(timer.kind, context)
        return render_email(content, identifier=str(timer.id), kind=timer.kind, to=contact.email)

    async def _may_send(self, timer: DueTimer) -> bool:
        """Return False if the timer was dropped, expired or lost its lease while the contact was fetched."""
        now = utc_now(self.clock)
        async with self.database.transaction() as session:
            return now < timer.expires_at and await repository.renew_lease(session, timer, now)

    async def _settle(self, timer: DueTimer, outcome: Outcome, reason: str | None) -> None:
        async with self.database.transaction() as session:
            await repository.settle(session, timer, outcome, reason, utc_now(self.clock))
        self.stats.count_email(timer.kind, outcome)
        if outcome == "failed":
            _log.warning("email rejected", extra={"timer": str(timer.id), "kind": timer.kind, "reason": reason})

    async def _postpone(self, timer: DueTimer, reason: str) -> None:
        delay = timedelta(seconds=RETRY_BACKOFF.delay(timer.attempts + 1, self.random))
        async with self.database.transaction() as session:
            await repository.postpone(session, timer, utc_now(self.clock) + delay, reason)
        self.stats.count_email(timer.kind, "postponed")
