"""Issues and redeems challenges: single-use tokens that are emailed to prove access to a mailbox."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, insert, select

from millrace_patients.crypto.sealing import seal, unseal
from millrace_patients.schema import challenge
from millrace_platform.database import ReadSession, Session
from millrace_platform.errors import FieldError, Problem, Unprocessable

LIFETIME = timedelta(hours=1)
"""Lifetime of an emailed token: as long as the limit of emails applies, so a limited mailbox has a valid token."""


def generate_token() -> str:
    """Return 256 random bits as URL-safe text."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> bytes:
    """Return the hash under which a token is stored. A plain hash suffices, because tokens are too random to guess."""
    return hashlib.sha256(token.encode()).digest()


class ChallengeKind(StrEnum):
    SIGN_UP = "sign_up"
    PASSWORD_RESET = "password_reset"  # noqa: S105 # a kind, not a password
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Challenge:
    """Permission to sign up, to reset a password, or to confirm the address of a profile.

    `person_id` is the id of the account or the patient; None for a sign-up.
    """

    kind: ChallengeKind
    email_index: bytes = field(repr=False)
    email: str = field(repr=False)
    person_id: UUID | None


class Challenges:
    """Stores challenges by the hash of their token. `key` encrypts the email addresses."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def issue(self, session: Session, issued: Challenge, now: datetime) -> str:
        """Store a challenge and return its token.

        Earlier tokens stay valid, so requests by a stranger don't invalidate those of the mailbox owner.
        """
        token = generate_token()
        digest = hash_token(token)
        await session.execute(
            insert(challenge).values(
                hash=digest,
                kind=issued.kind.value,
                email_index=issued.email_index,
                person_id=issued.person_id,
                sealed=seal(self._key, issued.email.encode(), _label(digest)),
                expires_at=now + LIFETIME,
            )
        )
        return token

    async def find(self, session: ReadSession, kind: ChallengeKind, token: str, now: datetime) -> Challenge | None:
        """Return the challenge of a token; None if unknown, used or expired."""
        query = select(challenge).where(challenge.c.hash == hash_token(token), challenge.c.kind == kind)
        row = (await session.execute(query.where(challenge.c.expires_at > now))).one_or_none()
        if row is None:
            return None
        email = unseal(self._key, row.sealed, _label(row.hash)).decode()
        return Challenge(kind, row.email_index, email, row.person_id)

    async def redeem(self, session: Session, kind: ChallengeKind, token: str, now: datetime) -> Challenge | None:
        """Return the challenge and invalidate all tokens of its address; None if the token is invalid.

        Of concurrent calls only one succeeds.
        """
        found = await self.find(session, kind, token, now)
        if found is None:
            return None
        # Lock all tokens of the address in one order, so that concurrent calls cannot deadlock.
        outstanding = select(challenge.c.hash).where(challenge.c.email_index == found.email_index)
        locked = (await session.execute(outstanding.order_by(challenge.c.hash).with_for_update())).scalars().all()
        if hash_token(token) not in locked:
            return None
        await self.delete_for_address(session, found.email_index)
        return found

    async def delete_for_address(self, session: Session, index: bytes) -> None:
        await session.execute(delete(challenge).where(challenge.c.email_index == index))

    async def delete_expired(self, session: Session, now: datetime) -> None:
        await session.execute(delete(challenge).where(challenge.c.expires_at < now))


def invalid_token() -> Problem:
    return Unprocessable(
        errors=[
            FieldError(
                field="token",
                detail="The token is unknown, already used or expired.",
                remedy="Request a new email and use its token within an hour.",
            )
        ]
    )


def _label(digest: bytes) -> str:
    return f"challenge/{digest.hex()}"
