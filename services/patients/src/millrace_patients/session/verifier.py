"""Refuses the access tokens of ended sessions and of changed accounts, for all routes of this service."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from millrace_patients.session.service import Sessions
from millrace_platform.audit.unit_of_work import UnitsOfWork
from millrace_platform.authentication import Principal, RevokedTokenError, TokenVerifier


@dataclass(frozen=True, slots=True)
class SessionVerifier:
    """Verifies tokens with another verifier, then checks in the database that they weren't revoked.

    `is_issuer` is False if another issuer manages the sessions.
    """

    verifier: TokenVerifier
    units: UnitsOfWork
    sessions: Sessions
    is_issuer: bool

    async def verify(self, token: str) -> Principal:
        """Return the token's caller. Raise `RevokedTokenError`, or what the other verifier raises.

        Problems: 503 if the database is unavailable.
        """
        caller = await self.verifier.verify(token)
        session_id = UUID(caller.session) if self.is_issuer and caller.session is not None else None
        issued_at = datetime.fromtimestamp(caller.issued_at, UTC)
        async with self.units.database.read() as session:
            now = self.units.now()
            if not await self.sessions.is_token_valid(session, caller.subject, session_id, issued_at, now):
                raise RevokedTokenError("ended session")
        return caller
