"""Access tokens with the same claims as Amazon Cognito's, so that one verifier accepts both."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import RSAKey

from millrace_feeds.clock import Clock
from millrace_patients.signing.ring import KeyRing
from millrace_platform.authentication import ALGORITHM, CODE_METHOD, PASSWORD_METHOD, PRACTICE_GROUP, TOKEN_USE, Role
from millrace_platform.ids import Ids


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Issues access tokens for one client; `lifetime` is in seconds."""

    ring: KeyRing
    issuer: str
    client_id: str
    lifetime: float
    clock: Clock
    ids: Ids

    def issue(
        self,
        subject: UUID,
        *,
        roles: Sequence[Role],
        practices: Sequence[UUID],
        session: UUID | None,
        authenticated_at: datetime,
        has_second_factor: bool,
    ) -> str:
        """Return a signed token. It contains ids but no personal data, because its holder can read it.

        `iat` has a fraction, since a token issued right after a revocation must differ from one right before.
        `session` is None for the token of an operator, who hasn't signed in.
        """
        now = self.clock.time()
        claims = {
            "iss": self.issuer,
            "sub": str(subject),
            "client_id": self.client_id,
            "token_use": TOKEN_USE,
            "jti": str(self.ids()),
            **({} if session is None else {"origin_jti": str(session)}),
            "iat": now,
            "auth_time": int(authenticated_at.timestamp()),
            "amr": [PASSWORD_METHOD, CODE_METHOD] if has_second_factor else [PASSWORD_METHOD],
            "exp": int(now + self.lifetime),
            "cognito:groups": [*roles, *(f"{PRACTICE_GROUP}{practice}" for practice in practices)],
        }
        key = self.ring.signing_key()
        return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key.private, algorithms=[ALGORITHM])


@dataclass(frozen=True, slots=True)
class KeyRingSource:
    """Provides the published keys to the verifier inside the service that issues the tokens."""

    ring: KeyRing

    async def key(self, kid: str) -> RSAKey | None:
        return next((key.private for key in self.ring.published() if key.kid == kid), None)
