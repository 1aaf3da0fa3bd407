"""Sessions with single-use refresh tokens (RFC 9700, section 4.14.2)."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Update, delete, exists, insert, select, update

from millrace_patients.challenge.service import generate_token, hash_token
from millrace_patients.crypto.sealing import derive_key, seal, unseal
from millrace_patients.schema import account, refresh_token, session_table
from millrace_patients.session.model import SessionLimits
from millrace_platform.database import ReadSession, Session
from millrace_platform.errors import Unauthenticated
from millrace_platform.ids import Ids

SESSIONS_LIMIT = 20
"""Maximum number of live sessions of an account; starting one more ends the oldest."""

_LABEL = "refresh-response"
REPEAT_SECONDS = 10.0
"""Seconds for which a used refresh token gets the same response again, if the same client sends it."""


@dataclass(frozen=True, slots=True)
class LiveSession:
    """Session that has neither expired nor ended. `has_second_factor`: it began, or went on, with a second factor."""

    id: UUID
    account_id: UUID
    created_at: datetime
    expires_at: datetime
    has_second_factor: bool


@dataclass(frozen=True, slots=True)
class RefreshableSession:
    """Session with its next refresh token, in plain text."""

    session: LiveSession
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RepeatedResponse:
    """The response to the first use of a refresh token, which the same client sends again shortly afterwards."""

    body: bytes = field(repr=False)


class Sessions:
    """Starts, refreshes and ends sessions.

    A refresh token that is used twice was stolen by one of its two users, so its session ends, unless the same client
    repeats a request within `REPEAT_SECONDS`: two tabs may refresh at once, or a response may be lost.
    """

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    async def begin(
        self,
        session: Session,
        account_id: UUID,
        limits: SessionLimits,
        now: datetime,
        *,
        has_second_factor: bool,
    ) -> RefreshableSession:
        """Start a session. The caller must have locked the account's row."""
        await self._end_surplus_sessions(session, account_id, now)
        started = LiveSession(self._ids(), account_id, now, now + limits.total, has_second_factor)
        await session.execute(
            insert(session_table).values(
                id=started.id,
                account_id=account_id,
                created_at=now,
                expires_at=started.expires_at,
                has_second_factor=has_second_factor,
            )
        )
        return await self._issue_refresh_token(session, started, limits, now)

    async def use_token(
        self, session: Session, token: str, client: bytes, now: datetime
    ) -> LiveSession | RepeatedResponse | None:
        """Mark a refresh token as used and return its session; return None if the token is invalid.

        `client` identifies the device that sent the request. Reuse of a token ends its session in this transaction:
        commit it even if the result is None.
        """
        mark_used = (
            update(refresh_token)
            .where(refresh_token.c.hash == hash_token(token), refresh_token.c.used_at.is_(None))
            .values(used_at=now, used_by=client)
            .returning(refresh_token.c.session_id, refresh_token.c.expires_at)
        )
        row = (await session.execute(mark_used)).one_or_none()
        if row is None:
            repeated = await self._find_response(session, token, client, now)
            if repeated is None:
                await self.end(session, token, now)
            return repeated
        live = await _find_live(session, row.session_id, now)
        return None if live is None or row.expires_at <= now else live

    async def resume(
        self, session: Session, live: LiveSession, limits: SessionLimits, now: datetime
    ) -> RefreshableSession | None:
        """Issue the next refresh token; return None if the session is older than its limits.

        The limits are those of the account's current roles, which may have changed since the session began.
        """
        expires_at = min(live.expires_at, live.created_at + limits.total)
        if expires_at < live.expires_at:
            shortened = update(session_table).where(session_table.c.id == live.id)
            await session.execute(shortened.values(expires_at=expires_at))
        if expires_at <= now:
            return None
        return await self._issue_refresh_token(session, replace(live, expires_at=expires_at), limits, now)

    async def save_response(self, session: Session, token: str, body: bytes) -> None:
        """Store the response to the use of a refresh token, for `REPEAT_SECONDS`, sealed with the token itself."""
        sealed = seal(_response_key(token), body, _LABEL)
        statement = update(refresh_token).where(refresh_token.c.hash == hash_token(token))
        await session.execute(statement.values(sealed_response=sealed))

    async def _find_response(
        self, session: ReadSession, token: str, client: bytes, now: datetime
    ) -> RepeatedResponse | None:
        query = select(refresh_token.c.sealed_response).where(
            refresh_token.c.hash == hash_token(token),
            refresh_token.c.used_by == client,
            refresh_token.c.used_at >= now - timedelta(seconds=REPEAT_SECONDS),
            refresh_token.c.session_id.in_(select(session_table.c.id).where(*_is_live(now))),
        )
        sealed = await session.scalar(query)
        return None if sealed is None else RepeatedResponse(unseal(_response_key(token), sealed, _LABEL))

    async def mark_second_factor(self, session: Session, identifier: UUID) -> None:
        """Record that the owner of a session has entered a code of the second factor."""
        own = update(session_table).where(session_table.c.id == identifier)
        await session.execute(own.values(has_second_factor=True))

    async def end(self, session: Session, token: str, now: datetime) -> None:
        """End the session of a refresh token, used or unused; ignore an unknown token."""
        owner = select(refresh_token.c.session_id).where(refresh_token.c.hash == hash_token(token)).scalar_subquery()
        await session.execute(_revoke(now).where(session_table.c.id == owner))

    async def end_all(self, session: Session, account_id: UUID, now: datetime) -> None:
        await session.execute(_revoke(now).where(session_table.c.account_id == account_id))

    async def end_every(self, session: Session, now: datetime) -> int:
        """End the sessions of all accounts; return how many were live."""
        live = update(session_table).where(*_is_live(now)).values(revoked_at=now)
        return (await session.execute(live)).rowcount

    async def delete_all(self, session: Session, account_id: UUID) -> None:
        """Delete all sessions of an account."""
        await session.execute(delete(session_table).where(session_table.c.account_id == account_id))

    async def delete_expired(self, session: Session, now: datetime) -> None:
        """Delete expired sessions and tokens, and responses that are no longer repeated."""
        repeated_until = refresh_token.c.used_at < now - timedelta(seconds=REPEAT_SECONDS)
        outdated = update(refresh_token).where(refresh_token.c.sealed_response.is_not(None), repeated_until)
        await session.execute(outdated.values(sealed_response=None))
        await session.execute(delete(session_table).where(session_table.c.expires_at < now))
        await session.execute(delete(refresh_token).where(refresh_token.c.expires_at < now))

    async def is_token_valid(
        self, session: ReadSession, account_id: UUID, identifier: UUID | None, issued_at: datetime, now: datetime
    ) -> bool:
        """Return whether an access token of this account and session, if it has one, is still valid."""
        since = select(account.c.tokens_valid_from).where(account.c.id == account_id).scalar_subquery()
        is_live = (session_table.c.id == identifier, session_table.c.account_id == account_id, *_is_live(now))
        found = (await session.execute(select(since, exists().where(*is_live)))).one()
        valid_from, has_session = found
        return (valid_from is None or issued_at >= valid_from) and (identifier is None or has_session)

    async def _issue_refresh_token(
        self, session: Session, live: LiveSession, limits: SessionLimits, now: datetime
    ) -> RefreshableSession:
        token = generate_token()
        expires = min(now + limits.idle, live.expires_at)
        await session.execute(
            insert(refresh_token).values(hash=hash_token(token), session_id=live.id, expires_at=expires)
        )
        return RefreshableSession(live, token)

    async def _end_surplus_sessions(self, session: Session, account_id: UUID, now: datetime) -> None:
        newest = (
            select(session_table.c.id)
            .where(*_is_live(now), session_table.c.account_id == account_id)
            .order_by(session_table.c.created_at.desc(), session_table.c.id.desc())
            .offset(SESSIONS_LIMIT - 1)
        )
        await session.execute(_revoke(now).where(session_table.c.id.in_(newest)))


def session_ended() -> Unauthenticated:
    """Return the problem of a request that needs a live session, from an access token without one."""
    return Unauthenticated("The session has ended. Sign in again.", error="invalid_token")


def _response_key(token: str) -> bytes:
    return derive_key(token.encode(), "response")


async def _find_live(session: ReadSession, identifier: UUID, now: datetime) -> LiveSession | None:
    query = select(session_table).where(session_table.c.id == identifier, *_is_live(now))
    row = (await session.execute(query)).one_or_none()
    return (
        None
        if row is None
        else LiveSession(row.id, row.account_id, row.created_at, row.expires_at, row.has_second_factor)
    )


def _is_live(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (session_table.c.revoked_at.is_(None), session_table.c.expires_at > now)


def _revoke(now: datetime) -> Update:
    return update(session_table).where(session_table.c.revoked_at.is_(None)).values(revoked_at=now)
