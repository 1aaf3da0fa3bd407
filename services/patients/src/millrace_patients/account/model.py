"""Accounts and their rules: pure."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from millrace_platform.authentication import Role

PASSWORD_MINIMUM = 12
PASSWORD_MAXIMUM = 256
"""Characters. NIST SP 800-63B: at least 64 allowed, no rules of composition; the upper bound bounds the work."""
DISTINCT_MINIMUM = 5


@dataclass(frozen=True, slots=True)
class Account:
    """An account as sign-in needs it. `password` is an argon2id hash; None: nobody can sign in."""

    id: UUID
    roles: tuple[Role, ...]
    practices: tuple[UUID, ...]
    password: str | None = field(repr=False)


def normalized_email(text: str) -> str:
    """What makes two spellings one account: composed (NFC), without space around, in lower case.

    The local part's case could matter (RFC 5321, section 2.4), but nowhere does; and who could register another
    spelling of an address would get the mail meant for its owner's account.
    """
    return unicodedata.normalize("NFC", text).strip().casefold()


def normalized_password(text: str) -> str:
    """The same bytes from every keyboard (NIST SP 800-63B, section 3.1.1.2: NFKC)."""
    return unicodedata.normalize("NFKC", text)


def weaknesses(password: str, email: str) -> Iterator[str]:
    """Why a password isn't taken."""
    if len(set(password)) < DISTINCT_MINIMUM:
        yield f"It has fewer than {DISTINCT_MINIMUM} different characters."
    folded = password.casefold()
    if email in folded or folded in email or email.partition("@")[0] == folded:
        yield "It is like the e-mail address."


def inconsistency(roles: tuple[Role, ...], practices: tuple[UUID, ...]) -> str | None:
    """Why roles and practices don't go together."""
    if Role.STAFF in roles and not practices:
        return "Staff works for at least one practice."
    if practices and Role.STAFF not in roles:
        return "Only staff works for practices."
    return None
