"""Mailers that store emails in memory: a fake for tests, and a wrapper that stores the last emails."""

from collections import deque
from collections.abc import Sequence

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


class RecentEmails:
    """A `Mailer` that forwards to another one and stores the last `RECENT_LIMIT` emails in memory."""

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer
        self._recent: deque[Email] = deque(maxlen=RECENT_LIMIT)

    async def send(self, email: Email) -> None:
        await self._mailer.send(email)
        self._recent.append(email)

    def list_emails(self) -> Sequence[Email]:
        """Return the stored emails, oldest first."""
        return tuple(self._recent)
