"""Mail that stays in the process: the fake of tests, and the last mails on one's own machine."""

from collections import deque
from collections.abc import Sequence

from millrace_notifications.mail.model import Mail, MailAwayError, Mailer, MailRefusedError

KEPT = 200


class MemoryMailer:
    """A `Mailer` that keeps what it takes. While `away`, it takes nothing."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []
        self.away = False

    async def send(self, mail: Mail) -> None:
        if self.away:
            raise MailAwayError("away")
        if not mail.to.isascii() or not all(mail.to.rpartition("@")):
            raise MailRefusedError("BadRequestException")
        self.sent.append(mail)


class RecentMails:
    """Passes mail on and remembers the last ones in memory; they are gone with the process."""

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer
        self._recent: deque[Mail] = deque(maxlen=KEPT)

    async def send(self, mail: Mail) -> None:
        await self._mailer.send(mail)
        self._recent.append(mail)

    def recent(self) -> Sequence[Mail]:
        """Oldest first."""
        return tuple(self._recent)
