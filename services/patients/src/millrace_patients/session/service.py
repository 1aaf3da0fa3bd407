"""Sessions with single-use refresh tokens (RFC 9700, section 4.14.2)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Update, delete, exists, insert, select, update

from millrace_patients.challenge.service import generate_token, hash_token
from millrace_patients.schema import account, refresh_token, session_table
from millrace_platform.database import ReadSession, Session
from millrace_platform.ids import Ids

SESSIONS_LIMIT = 20
"""Maximum number of live sessions of an account; starting one more ends the oldest."""


@dataclass(frozen=True, slots=True)
class LiveSession:
    """Session that has neither expired nor ended."""

    id: UUID
    account_id: UUID
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RefreshableSession:
    """Session with its next refresh token, in plain text."""

    session: LiveSession
    token: str = field(repr=False)


class Sessions:
    """Starts, refreshes and ends sessions.

    An unused refresh token is valid for `token_lifetime`; a new sign-in is required after `session_lifetime`. A refresh
    token that is used twice was stolen by one of its two users, so its session ends.
    """

    def __init__(self, ids: Ids, *, token_lifetime: timedelta, session_lifetime: timedelta) -> None:
        self._ids = ids
        self._token_lifetime = token_lifetime
        self._session_lifetime = session_lifetime

    async def begin(self, session: Session, account_id: UUID, now: datetime) -> RefreshableSession:
        """Start a session. The caller must have locked the account's row."""
        await self._end_surplus_sessions(session, account_id, now)
        started = LiveSession(self._ids(), account_id, now, now + self._session_lifetime)
        await session.execute(
            insert(session_table).values(
                id=started.id, account_id=account_id, created_at=now, expires_at=started.expires_at
            )
        )
        return await self._issue_refresh_token(session, started, now)

    async def rotate(self, session: Session, token: str, now: datetime) -> RefreshableSession | None:
        """Exchange a refresh token for a new one; return None if it is invalid.

        Reuse of a token ends its session in this transaction: commit it even if the result is None.
        """
        mark_used = (
            update(refresh_token)
            .where(refresh_token.c.hash == hash_token(token), refresh_token.c.used_at.is_(None))
            .values(used_at=now)
            .returning(refresh_token.c.session_id, refresh_token.c.expires_at)
        )
        row = (await session.execute(mark_used)).one_or_none()
        if row is None:
            await self.end(session, token, now)
            return None
        live = await _find_live(session, row.session_id, now)
        if live is None or row.expires_at <= now:
            return None
        return await self._issue_refresh_token(session, live, now)

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
        """Delete expired sessions and tokens."""
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

    async def _issue_refresh_token(self, session: Session, live: LiveSession, now: datetime) -> RefreshableSession:
        token = generate_token()
        expires = min(now + self._token_lifetime, live.expires_at)
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


async def _find_live(session: ReadSession, identifier: UUID, now: datetime) -> LiveSession | None:
    query = select(session_table).where(session_table.c.id == identifier, *_is_live(now))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else LiveSession(row.id, row.account_id, row.created_at, row.expires_at)


def _is_live(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (session_table.c.revoked_at.is_(None), session_table.c.expires_at > now)


def _revoke(now: datetime) -> Update:
    return update(session_table).where(session_table.c.revoked_at.is_(None)).values(revoked_at=now)
