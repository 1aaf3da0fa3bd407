"""What is mailed, and the port through which it goes."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from millrace_patients.unit_of_work import Work


class MailKind(StrEnum):
    """What a mail says."""

    VERIFY_EMAIL = "verify_email"
    """`token` finishes the sign-up."""
    ACCOUNT_EXISTS = "account_exists"
    """Somebody tried to sign up with an address that has an account; `token` sets a new password."""
    RESET_PASSWORD = "reset_password"  # noqa: S105 # a kind, not a password
    """`token` sets a new password."""
    NO_ACCOUNT = "no_account"
    """Somebody asked for a new password for an address without an account; `token` finishes a sign-up."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One e-mail. Its words are the sender's business. `index` is the blind index of `to`."""

    kind: MailKind
    to: str = field(repr=False)
    token: str = field(repr=False)
    index: bytes = field(repr=False)
    person: UUID | None = None


class Outbox(Protocol):
    """Where mail goes. It leaves with the commit of the work, and not at all where that fails."""

    async def put(self, work: Work, mail: Mail) -> None: ...
