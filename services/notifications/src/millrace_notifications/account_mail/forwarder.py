"""Takes the mails of accounts from `patients`, sends them, and has them removed there.

An id that was sent is noted here before it is removed there, so that a mail is not sent again where the removal fails.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from uuid import UUID

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.account_mail import repository
from millrace_notifications.account_mail.letters import letter
from millrace_notifications.backoff import backoff
from millrace_notifications.figures import Figures
from millrace_notifications.mail.letter import Letter, as_html, as_text
from millrace_notifications.mail.model import Mail, MailAwayError, Mailer, MailRefusedError
from millrace_notifications.patients_client import AccountMail, AccountOutbox
from millrace_notifications.worker import DRAIN_SECONDS
from millrace_platform.database import Database
from millrace_platform.ids import Ids

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)
LONGEST_POLL_PAUSE = timedelta(minutes=1)

_log = logging.getLogger("notifications.account_mail")


@dataclass(frozen=True, slots=True)
class AccountMails:
    """`interval` is the time between two polls, in seconds; it grows while something is away."""

    database: Database
    outbox: AccountOutbox
    mailer: Mailer
    url: str
    interval: float
    clock: Clock
    ids: Ids
    random: Random
    figures: Figures

    async def run(self) -> None:
        """Until it is cancelled; a mail that is being sent is finished first."""
        failures = 0
        while True:
            turn = asyncio.ensure_future(self.once())
            try:
                went_well = await asyncio.shield(turn)
            except asyncio.CancelledError:
                await asyncio.wait([turn], timeout=DRAIN_SECONDS)
                turn.cancel()
                raise
            except Exception as error:
                _log.warning("no account mail could be fetched", extra={"reason": type(error).__name__})
                went_well = False
            failures = 0 if went_well else failures + 1
            await asyncio.sleep(self._pause(failures))

    async def once(self) -> bool:
        """Send what waits; False where a mail had to be put off. Raises `PatientsAwayError` and the database's."""
        waiting = {mail.id: mail for mail in await self.outbox.waiting()}
        if not waiting:
            return True
        lease, now = self.ids(), utc_now(self.clock)
        async with self.database.transaction() as session:
            await repository.see(session, waiting.keys(), now)
            done = await repository.settled(session, waiting.keys())
            claimed = await repository.claim(session, waiting.keys(), lease, now)
        for identifier in done:
            await self.outbox.remove(identifier)
        went_well = True
        for mail in waiting.values():
            if mail.id not in claimed:
                continue
            if went_well:
                went_well = await self._send(mail, lease, claimed[mail.id])
            else:
                await self._postpone(mail.id, lease, claimed[mail.id])
        return went_well

    async def _send(self, mail: AccountMail, lease: UUID, attempts: int) -> bool:
        written = letter(mail.kind, mail.token, self.url)
        try:
            if written is None:
                raise MailRefusedError("unknown_kind")
            await self.mailer.send(_mail(mail, written))
            outcome = "sent"
        except MailRefusedError as error:
            _log.warning("account mail refused", extra={"mail": str(mail.id), "kind": mail.kind, "reason": str(error)})
            outcome = "failed"
        except MailAwayError:
            self.figures.mail(mail.kind, "postponed")
            await self._postpone(mail.id, lease, attempts)
            return False
        self.figures.mail(mail.kind, outcome)
        async with self.database.transaction() as session:
            await repository.settle(session, mail.id, lease, outcome)
        await self.outbox.remove(mail.id)
        return True

    async def _postpone(self, identifier: UUID, lease: UUID, attempts: int) -> None:
        pause = backoff(attempts + 1, first=FIRST_PAUSE, factor=2, ceiling=LONGEST_PAUSE, random=self.random)
        async with self.database.transaction() as session:
            await repository.postpone(session, identifier, lease, utc_now(self.clock) + pause)

    def _pause(self, failures: int) -> float:
        if failures == 0:
            return self.interval
        first = timedelta(seconds=self.interval)
        pause = backoff(failures, first=first, factor=2, ceiling=LONGEST_POLL_PAUSE, random=self.random)
        return pause.total_seconds()


def _mail(mail: AccountMail, written: Letter) -> Mail:
    return Mail(
        id=str(mail.id),
        kind=mail.kind,
        to=mail.to,
        subject=written.subject,
        text=as_text(written),
        html=as_html(written),
    )
