"""Accounts and their rules, without I/O."""

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from email_validator import validate_email

from millrace_platform.authentication import Role

PASSWORD_MINIMUM = 12
PASSWORD_MAXIMUM = 256
"""Maximum length in characters, to bound the time of hashing. NIST SP 800-63B requires that 64 are accepted."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account without its email address. `password_hash` is an argon2id hash; None disables sign-in."""

    id: UUID
    roles: tuple[Role, ...]
    practice_ids: tuple[UUID, ...]
    password_hash: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class PublicAccount:
    """One version of an account without personal data, as other services know it."""

    id: UUID
    version: int
    is_erased: bool
    roles: tuple[Role, ...]
    practice_ids: tuple[UUID, ...]
    tokens_valid_from: datetime | None


def normalize_email(text: str) -> str:
    """Return the canonical form of an email address: the local part in lower case, the domain as an A-label (IDNA).

    Raises `EmailNotValidError`, a `ValueError`, for anything that can't receive email; Amazon SES doesn't send to local
    parts beyond ASCII. Mail providers ignore the case of the local part, though RFC 5321, section 2.4, allows it to
    matter. If spellings were distinct accounts, a stranger could register another spelling and receive the owner's
    emails. Other foldings would do the reverse, and send one domain's emails to another.
    """
    valid = validate_email(text.strip(), check_deliverability=False, allow_smtputf8=False)
    return f"{valid.local_part.lower()}@{valid.ascii_domain}"


def normalize_password(text: str) -> str:
    """Return the password in Unicode form NFKC, the same for every keyboard (NIST SP 800-63B, section 3.1.1.2)."""
    return unicodedata.normalize("NFKC", text)


def find_inconsistency(roles: tuple[Role, ...], practice_ids: tuple[UUID, ...]) -> str | None:
    """Return why roles and practices contradict each other; None if they don't."""
    if Role.STAFF in roles and not practice_ids:
        return "The role `staff` requires at least one practice."
    if practice_ids and Role.STAFF not in roles:
        return "Practices require the role `staff`."
    return None
