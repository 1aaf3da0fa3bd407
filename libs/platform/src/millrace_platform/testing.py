"""An issuer of access tokens for tests: its tokens are verified by the real verifier, and nothing is fetched."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import cache
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.jwk import RSAKey

from millrace_platform.authentication import ALGORITHM, PRACTICE_GROUP, TOKEN_USE, Role, Verifier, rules_of
from millrace_platform.clock import Clock
from millrace_platform.settings import PlatformSettings

KEY_ID = "testing"
LIFETIME = 900


@cache
def _key() -> RSAKey:
    """One for all: making it takes long."""
    return RSAKey.generate_key(2048, private=True)


class _Keys:
    async def key(self, kid: str) -> RSAKey | None:
        return _key() if kid == KEY_ID else None


@asynccontextmanager
async def verifier_for_tests(settings: PlatformSettings, clock: Clock) -> AsyncIterator[Verifier]:
    """In the place of `authentication.open_verifier`: takes the tokens of `access_token`."""
    yield Verifier(rules_of(settings), _Keys(), clock)


def access_token(
    settings: PlatformSettings,
    clock: Clock,
    *roles: Role,
    practices: Iterable[object] = (),
    subject: UUID | None = None,
) -> str:
    """A token as the issuer of these settings makes it, good for 15 minutes by the clock."""
    now = int(clock.time())
    claims = {
        "iss": settings.auth_issuer,
        "sub": str(subject or uuid4()),
        "client_id": settings.auth_client_ids[0],
        "token_use": TOKEN_USE,
        "origin_jti": str(uuid4()),
        "iat": now,
        "auth_time": now,
        "exp": now + LIFETIME,
        "cognito:groups": [*roles, *(f"{PRACTICE_GROUP}{practice}" for practice in practices)],
    }
    return jwt.encode({"alg": ALGORITHM, "kid": KEY_ID}, claims, _key(), algorithms=[ALGORITHM])
