"""Sends the letters whose time has come.

Each is sent at least once, and in ordinary running exactly once: a row is leased to one worker, and is noted as sent
right after SES took the mail. Between those two lies the only gap: a process that is killed there, or a timeout after
SES took it, makes a second mail with the same id. A shutdown finishes what is under way and leaves no such gap.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.backoff import backoff
from millrace_notifications.figures import Figures
from millrace_notifications.mail.letter import as_html, as_text
from millrace_notifications.mail.model import Mail, MailAwayError, Mailer, MailRefusedError
from millrace_notifications.mail.pace import Pace
from millrace_notifications.patients_client import Contact, Contacts, PatientsAwayError
from millrace_notifications.place.repository import place_of, provider_of
from millrace_notifications.timer import repository
from millrace_notifications.timer.letters import Scene, letter
from millrace_notifications.timer.model import Claimed
from millrace_notifications.timer.repository import Outcome
from millrace_platform.database import Database
from millrace_platform.ids import Ids

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)

_log = logging.getLogger("notifications.timers")


@dataclass(frozen=True, slots=True)
class LetterSender:
    """Claims and sends; `url` begins all links."""

    database: Database
    contacts: Contacts
    mailer: Mailer
    pace: Pace
    url: str
    clock: Clock
    ids: Ids
    random: Random
    figures: Figures

    async def claim(self, limit: int) -> Sequence[Claimed]:
        """What is due, as far as the pace allows."""
        allowed = self.pace.take(limit)
        if not allowed:
            return []
        async with self.database.transaction() as session:
            claimed = await repository.claim(session, self.ids(), utc_now(self.clock), allowed)
        self.pace.give_back(allowed - len(claimed))
        return claimed

    async def send(self, claimed: Claimed) -> None:
        """One letter: sent, settled without sending, or put off."""
        if utc_now(self.clock) >= claimed.expires_at:
            await self._settle(claimed, "expired", None)
            return
        try:
            contact = await self.contacts.contact(claimed.patient_id)
            if contact is None:
                await self._settle(claimed, "dropped", "no_contact")
                return
            mail = await self._written(claimed, contact)
            if await self._may_leave(claimed):
                await self.mailer.send(mail)
                await self._settle(claimed, "sent", None)
        except MailRefusedError as error:
            await self._settle(claimed, "failed", str(error))
        except (MailAwayError, PatientsAwayError) as error:
            await self._postpone(claimed, str(error))

    async def _written(self, claimed: Claimed, contact: Contact) -> Mail:
        facts = claimed.facts
        async with self.database.read() as session:
            provider = await provider_of(session, facts.npi)
            place = await place_of(session, facts.provider_location_id)
        written = letter(claimed.kind, Scene(facts, contact.given_name, provider, place, self.url))
        return Mail(
            id=str(claimed.id),
            kind=claimed.kind,
            to=contact.email,
            subject=written.subject,
            text=as_text(written),
            html=as_html(written),
        )

    async def _may_leave(self, claimed: Claimed) -> bool:
        """Asked last of all: what was dropped or has expired while the address was asked for doesn't leave."""
        now = utc_now(self.clock)
        async with self.database.transaction() as session:
            return now < claimed.expires_at and await repository.still_wanted(session, claimed, now)

    async def _settle(self, claimed: Claimed, outcome: Outcome, reason: str | None) -> None:
        async with self.database.transaction() as session:
            await repository.settle(session, claimed, outcome, reason, utc_now(self.clock))
        self.figures.mail(claimed.kind, outcome)
        if outcome == "failed":
            _log.warning("letter refused", extra={"timer": str(claimed.id), "kind": claimed.kind, "reason": reason})

    async def _postpone(self, claimed: Claimed, reason: str) -> None:
        pause = backoff(claimed.attempts + 1, first=FIRST_PAUSE, factor=2, ceiling=LONGEST_PAUSE, random=self.random)
        async with self.database.transaction() as session:
            await repository.postpone(session, claimed, utc_now(self.clock) + pause, reason)
        self.figures.mail(claimed.kind, "postponed")
