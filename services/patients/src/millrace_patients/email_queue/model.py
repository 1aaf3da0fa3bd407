"""Account emails."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class EmailKind(StrEnum):
    """Kind of email; the sender selects its template by it."""

    VERIFY_EMAIL = "verify_email"
    """`token` completes the sign-up."""
    ACCOUNT_EXISTS = "account_exists"
    """A sign-up was attempted for an address that has an account; `token` sets a new password."""
    RESET_PASSWORD = "reset_password"  # noqa: S105 # a kind, not a password
    """`token` sets a new password."""
    NO_ACCOUNT = "no_account"
    """A password reset was requested for an address without an account; `token` completes a sign-up."""


@dataclass(frozen=True, slots=True)
class OutboundEmail:
    """Email to enqueue; the sender writes its text. `index` is the email index of the address `to`."""

    kind: EmailKind
    to: str = field(repr=False)
    token: str = field(repr=False)
    index: bytes = field(repr=False)
    person: UUID | None = None
