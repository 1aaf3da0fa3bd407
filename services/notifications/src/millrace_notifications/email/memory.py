"""Mailers that store emails in memory: a fake for tests, and a wrapper that stores the last emails."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.email.model import Email, EmailRejectedError, EmailUnavailableError, Mailer

RECENT_LIMIT = 200


class MemoryMailer:
    """A fake `Mailer` that stores sent emails. Rejects malformed addresses; fails while `unavailable` is set."""

    def __init__(self) -> None:
        self.sent: list[Email] = []
        self.unavailable = False

    async def send(self, email: Email) -> None:
        if self.unavailable:
            raise EmailUnavailableError("unavailable")
        if not email.to.isascii() or not all(email.to.rpartition("@")):
            raise EmailRejectedError("BadRequestException")
        self.sent.append(email)


@dataclass(frozen=True, slots=True)
class RecentEmail:
    """A sent email and when it was sent."""

    email: Email
    sent_at: datetime


class RecentEmails:
    """A `Mailer` that forwards to another one and stores the last `RECENT_LIMIT` emails in memory."""

    def __init__(self, mailer: Mailer, clock: Clock) -> None:
        self._mailer = mailer
        self._clock = clock
        self._recent: deque[RecentEmail] = deque(maxlen=RECENT_LIMIT)

    async def send(self, email: Email) -> None:
        await self._mailer.send(email)
        self._recent.append(RecentEmail(email, utc_now(self._clock)))

    def list_emails(self) -> Sequence[RecentEmail]:
        """Return the stored emails, oldest first."""
        return tuple(self._recent)
