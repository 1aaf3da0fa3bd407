"""An issuer of access tokens for tests: its tokens are verified by the real verifier, and nothing is fetched."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.jwk import RSAKey

from millrace_feeds.clock import Clock
from millrace_platform.authentication import ALGORITHM, PRACTICE_GROUP, TOKEN_USE, Role, Verifier, rules_of
from millrace_platform.settings import PlatformSettings

START = 1_800_000_000.0
"""2027-01-15T08:00:00Z."""
KEY_ID = "testing"
LIFETIME = 900


class ManualClock:
    """A clock that stands still until a test moves it. `now` (Unix seconds) is also its monotonic time."""

    def __init__(self, now: float | datetime = START) -> None:
        self.move_to(now)

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def advance(self, **by: float) -> None:
        """Move forward by a duration in `timedelta`'s arguments, e.g. `minutes=5`."""
        self.now += timedelta(**by).total_seconds()

    def move_to(self, moment: float | datetime) -> None:
        self.now = moment.timestamp() if isinstance(moment, datetime) else moment


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
