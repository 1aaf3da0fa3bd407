"""Sends the scheduled emails that are due.

Delivery is at least once and normally exactly once: an email is leased to one worker and marked as sent right after SES
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
from millrace_notifications.scheduled_email import repository
from millrace_notifications.scheduled_email.model import DueEmail
from millrace_notifications.scheduled_email.repository import Outcome
from millrace_notifications.scheduled_email.templates import TemplateContext, fill_template
from millrace_notifications.stats import Stats
from millrace_platform.database import Database
from millrace_platform.ids import Ids

RETRY_BACKOFF = Backoff(first=5.0, ceiling=600.0)

_log = logging.getLogger("notifications.emails")


@dataclass(frozen=True, slots=True)
class EmailSender:
    """Leases due emails and sends them. `url` is the website's URL, which links begin with."""

    database: Database
    contacts: Contacts
    mailer: Mailer
    rate_limit: TokenBucket
    url: str
    clock: Clock
    ids: Ids
    random: Random
    stats: Stats

    async def lease_due(self, limit: int) -> Sequence[DueEmail]:
        """Lease and return due emails, up to `limit` and no more than the rate limit allows."""
        allowed = self.rate_limit.take(limit)
        if not allowed:
            return []
        async with self.database.transaction() as session:
            due = await repository.lease_due(session, self.ids(), utc_now(self.clock), allowed)
        self.rate_limit.return_unused(allowed - len(due))
        return due

    async def send(self, due: DueEmail) -> None:
        """Send a leased email, settle it unsent if it has expired or has no recipient, or schedule a retry."""
        if utc_now(self.clock) >= due.expires_at:
            await self._settle(due, "expired", None)
            return
        try:
            contact = await self.contacts.find_contact(due.patient_id)
            if contact is None:
                await self._settle(due, "dropped", "no_contact")
                return
            email = await self._render(due, contact)
            if await self._may_send(due):
                await self.mailer.send(email)
                await self._settle(due, "sent", None)
        except EmailRejectedError as error:
            await self._settle(due, "failed", str(error))
        except (EmailUnavailableError, PatientsUnavailableError) as error:
            await self._postpone(due, str(error))

    async def _render(self, due: DueEmail, contact: Contact) -> Email:
        data = due.template_data
        async with self.database.read() as session:
            provider = await find_provider(session, data.npi)
            location = await find_provider_location(session, data.provider_location_id)
        content = fill_template(due.kind, TemplateContext(data, provider, location, self.url))
        return render_email(content, identifier=str(due.id), kind=due.kind, to=contact.email)

    async def _may_send(self, due: DueEmail) -> bool:
        """Return False if the email was dropped, expired or lost its lease while the contact was fetched."""
        now = utc_now(self.clock)
        async with self.database.transaction() as session:
            return now < due.expires_at and await repository.renew_lease(session, due, now)

    async def _settle(self, due: DueEmail, outcome: Outcome, reason: str | None) -> None:
        async with self.database.transaction() as session:
            await repository.settle(session, due, outcome, reason, utc_now(self.clock))
        self.stats.count_email(due.kind, outcome)
        if outcome == "failed":
            _log.warning("email rejected", extra={"email_id": str(due.id), "kind": due.kind, "reason": reason})

    async def _postpone(self, due: DueEmail, reason: str) -> None:
        delay = timedelta(seconds=RETRY_BACKOFF.delay(due.attempts + 1, self.random))
        async with self.database.transaction() as session:
            await repository.postpone(session, due, utc_now(self.clock) + delay, reason)
        self.stats.count_email(due.kind, "postponed")
