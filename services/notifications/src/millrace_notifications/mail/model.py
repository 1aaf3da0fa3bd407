"""One e-mail, and the port through which it leaves.

MailError
├── MailRefusedError   it will never be taken, whoever tries
└── MailAwayError      it wasn't taken now, or nobody knows: try again
"""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mail:
    """`id` is the same each time that this mail is tried; whoever sees it twice knows that it is one."""

    id: str
    kind: str
    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)


class MailError(Exception):
    """The reason is a code, without anything of the mail in it."""


class MailRefusedError(MailError):
    """This mail will never be taken."""


class MailAwayError(MailError):
    """Not now. After a timeout the mail may have been taken all the same."""


class Mailer(Protocol):
    """Sends mail. Safe for concurrent calls; every call ends within bounds."""

    async def send(self, mail: Mail) -> None:
        """Returns when the mail was taken over. Raises `MailRefusedError` and `MailAwayError`."""
        ...
