"""Issues challenges and takes their answers, each once."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, insert, select

from millrace_patients.challenge.tables import challenge
from millrace_patients.crypto.sealing import seal, unseal
from millrace_platform.database import ReadSession, Session

VALID = timedelta(hours=1)
"""As long as the throttle remembers a mail: there is always a valid one in the mailbox of who asked too often."""

Tokens: TypeAlias = Callable[[], str]
"""Makes secrets; a test passes its own."""


def random_token() -> str:
    """256 random bits, safe in a URL."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> bytes:
    """What is stored of a token. It has too much entropy to be guessed, so a plain hash does."""
    return hashlib.sha256(token.encode()).digest()


class ChallengeKind(StrEnum):
    SIGN_UP = "sign_up"
    PASSWORD_RESET = "password_reset"  # noqa: S105 # a kind, not a password


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a token stands for. `person` is the account's for a password reset."""

    kind: ChallengeKind
    email_index: bytes = field(repr=False)
    email: str = field(repr=False)
    person: UUID | None


class Challenges:
    """`key` seals the addresses."""

    def __init__(self, key: bytes, tokens: Tokens) -> None:
        self._key = key
        self._tokens = tokens

    async def issue(self, session: Session, issued: Challenge, now: datetime) -> str:
        """A new token; earlier ones stay valid, so that who asks in another's name takes nothing from them."""
        token = self._tokens()
        digest = hash_of(token)
        await session.execute(
            insert(challenge).values(
                hash=digest,
                kind=issued.kind.value,
                email_index=issued.email_index,
                person=issued.person,
                sealed=seal(self._key, issued.email.encode(), _place(digest)),
                expires_at=now + VALID,
            )
        )
        return token

    async def find(self, session: ReadSession, kind: ChallengeKind, token: str, now: datetime) -> Challenge | None:
        """The challenge that a token answers; None where it was never issued, was used, or has expired."""
        query = select(challenge).where(*_matches(kind, token, now))
        return self._read((await session.execute(query)).one_or_none())

    async def use(self, session: Session, kind: ChallengeKind, token: str, now: datetime) -> Challenge | None:
        """As `find`, and no token that was mailed to the address is valid from here on. Of two at once, one gets it."""
        found = await self.find(session, kind, token, now)
        if found is None:
            return None
        # All that lie there, in one order by all: two who answer two of them at once don't wait in a circle.
        lying = select(challenge.c.hash).where(challenge.c.email_index == found.email_index)
        locked = (await session.execute(lying.order_by(challenge.c.hash).with_for_update())).scalars().all()
        if hash_of(token) not in locked:
            return None
        await self.forget(session, found.email_index)
        return found

    async def forget(self, session: Session, index: bytes) -> None:
        await session.execute(delete(challenge).where(challenge.c.email_index == index))

    async def forget_old(self, session: Session, now: datetime) -> None:
        await session.execute(delete(challenge).where(challenge.c.expires_at < now))

    def _read(self, row: Row[*tuple[Any, ...]] | None) -> Challenge | None:
        if row is None:
            return None
        email = unseal(self._key, row.sealed, _place(row.hash)).decode()
        return Challenge(ChallengeKind(row.kind), row.email_index, email, row.person)


def _matches(kind: ChallengeKind, token: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (challenge.c.hash == hash_of(token), challenge.c.kind == kind.value, challenge.c.expires_at > now)


def _place(digest: bytes) -> str:
    return f"challenge/{digest.hex()}"
