"""Sessions in the database: refresh tokens that are good for one use (RFC 9700, section 4.14.2)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Update, delete, insert, select, update

from millrace_patients.challenge.service import Tokens, hash_of
from millrace_patients.session.tables import refresh_token, session_table
from millrace_platform.database import ReadSession, Session
from millrace_platform.ids import Ids

SESSIONS_LIMIT = 20
"""Live sessions of an account; one more ends the oldest."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """`token`: how long a refresh token may lie unused; `session`: when the password is asked for again."""

    token: timedelta
    session: timedelta


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that may go on."""

    id: UUID
    account_id: UUID
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Refreshable:
    """A session with the one refresh token that continues it."""

    session: LiveSession
    token: str = field(repr=False)


class Sessions:
    """A token that comes twice was stolen, from the one who came first or from the other: its session ends."""

    def __init__(self, lifetimes: Lifetimes, ids: Ids, tokens: Tokens) -> None:
        self._lifetimes = lifetimes
        self._ids = ids
        self._tokens = tokens

    async def begin(self, session: Session, account_id: UUID, now: datetime) -> Refreshable:
        """A new session. The caller holds the account's row."""
        await self._make_room(session, account_id, now)
        begun = LiveSession(self._ids(), account_id, now, now + self._lifetimes.session)
        await session.execute(
            insert(session_table).values(
                id=begun.id, account_id=account_id, created_at=now, expires_at=begun.expires_at
            )
        )
        return await self._continued(session, begun, now)

    async def rotate(self, session: Session, token: str, now: datetime) -> Refreshable | None:
        """A new token for an old one. None where it isn't good; where it was used before, its session has ended with
        this transaction: commit it."""
        taken = (
            update(refresh_token)
            .where(refresh_token.c.hash == hash_of(token), refresh_token.c.used_at.is_(None))
            .values(used_at=now)
            .returning(refresh_token.c.session_id, refresh_token.c.expires_at)
        )
        row = (await session.execute(taken)).one_or_none()
        if row is None:
            await self.end(session, token, now)
            return None
        live = await _live(session, row.session_id, now)
        if live is None or row.expires_at <= now:
            return None
        return await self._continued(session, live, now)

    async def end(self, session: Session, token: str, now: datetime) -> None:
        """End the session that a token, used or not, belongs to; nothing happens where it belongs to none."""
        owner = select(refresh_token.c.session_id).where(refresh_token.c.hash == hash_of(token)).scalar_subquery()
        await session.execute(_revoked(now).where(session_table.c.id == owner))

    async def end_all(self, session: Session, account_id: UUID, now: datetime) -> None:
        await session.execute(_revoked(now).where(session_table.c.account_id == account_id))

    async def forget(self, session: Session, account_id: UUID) -> None:
        """Remove all that is known of an account's sessions."""
        await session.execute(delete(session_table).where(session_table.c.account_id == account_id))

    async def forget_old(self, session: Session, now: datetime) -> None:
        """Remove sessions and tokens that have expired."""
        await session.execute(delete(session_table).where(session_table.c.expires_at < now))
        await session.execute(delete(refresh_token).where(refresh_token.c.expires_at < now))

    async def is_live(self, session: ReadSession, identifier: UUID, now: datetime) -> bool:
        return await _live(session, identifier, now) is not None

    async def _continued(self, session: Session, live: LiveSession, now: datetime) -> Refreshable:
        token = self._tokens()
        expires = min(now + self._lifetimes.token, live.expires_at)
        await session.execute(insert(refresh_token).values(hash=hash_of(token), session_id=live.id, expires_at=expires))
        return Refreshable(live, token)

    async def _make_room(self, session: Session, account_id: UUID, now: datetime) -> None:
        newest = (
            select(session_table.c.id)
            .where(*_is_live(now), session_table.c.account_id == account_id)
            .order_by(session_table.c.created_at.desc(), session_table.c.id.desc())
            .offset(SESSIONS_LIMIT - 1)
        )
        await session.execute(_revoked(now).where(session_table.c.id.in_(newest)))


async def _live(session: ReadSession, identifier: UUID, now: datetime) -> LiveSession | None:
    query = select(session_table).where(session_table.c.id == identifier, *_is_live(now))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else LiveSession(row.id, row.account_id, row.created_at, row.expires_at)


def _is_live(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (session_table.c.revoked_at.is_(None), session_table.c.expires_at > now)


def _revoked(now: datetime) -> Update:
    return update(session_table).where(session_table.c.revoked_at.is_(None)).values(revoked_at=now)
