"""An email, and the protocol of mailers.

EmailError
├── EmailRejectedError      permanent: the email itself is invalid
└── EmailUnavailableError   temporary or unknown: retry
"""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Email:
    """An email to send. `id` is the same in every attempt, so that duplicates can be recognized."""

    id: str
    kind: str
    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)


class EmailError(Exception):
    """Sending failed. The message is an error code and contains no personal data."""


class EmailRejectedError(EmailError):
    """The email is invalid and will never be accepted."""


class EmailUnavailableError(EmailError):
    """The email can't be sent now. After a timeout it may have been sent nevertheless."""


class Mailer(Protocol):
    """Sends emails. Safe for concurrent calls; every call ends within a bounded time."""

    async def send(self, email: Email) -> None:
        """Return when the email is accepted for delivery. Raises `EmailRejectedError` or `EmailUnavailableError`."""
        ...
