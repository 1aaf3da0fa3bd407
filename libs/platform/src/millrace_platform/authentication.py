"""Who calls: OIDC access tokens in the form of Amazon Cognito's, verified the same way in every service.

A token is a JWS in compact form, signed with RS256 by a key of the issuer's published set (RFC 7515, RFC 9068's rules).
Nothing in the token chooses how it is verified: the algorithm is fixed, keys come from the set alone, and a header that
brings a key or names a place for one is refused. Claims: `iss`, `sub` (a UUID), `client_id`, `token_use` = `access`,
`exp`, `iat`, `auth_time`, `origin_jti` (the session), and `cognito:groups`: roles, and `practice/<id>` for each
practice that a member of staff works for. Who is in no role's group is a patient.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, Protocol, TypeAlias
from uuid import UUID

import msgspec
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from joserfc.util import to_bytes, urlsafe_b64decode

from millrace_feeds.clock import Clock
from millrace_platform.errors import Forbidden, Unauthenticated
from millrace_platform.jwks import open_key_cache
from millrace_platform.settings import PlatformSettings

ALGORITHM = "RS256"
TOKEN_USE = "access"  # noqa: S105 # a kind of token, not one
TOKEN_LIMIT = 8_192
"""Characters of a token."""
VERIFIED_LIMIT = 2_048
"""Tokens that are remembered as verified: some megabytes."""
LEEWAY = 30.0
"""Seconds that clocks may differ."""
GROUPS_LIMIT = 200
PRACTICE_GROUP = "practice/"

_TYPES = frozenset({None, "JWT", "at+jwt"})
_KNOWN_HEADERS = frozenset({"alg", "kid", "typ"})
"""A token with any other is refused: `jku`, `jwk`, `x5u` and `x5c` bring keys, `crit` and `b64` change the rules."""


class Role(StrEnum):
    """What a caller may be; several at once are possible."""

    PATIENT = "patient"
    STAFF = "staff"
    SUPPORT = "support"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. `practices` are those that a member of staff works for. Times are Unix seconds."""

    subject: UUID
    roles: frozenset[Role]
    practices: frozenset[str]
    authenticated_at: float
    """When the password was last given."""
    expires_at: float
    session: str | None = None

    def has(self, *roles: Role) -> bool:
        """Whether the caller has one of the roles."""
        return not self.roles.isdisjoint(roles)


@dataclass(frozen=True, slots=True)
class Rules:
    """Whose tokens are taken."""

    issuer: str
    client_ids: frozenset[str]
    leeway: float = LEEWAY


class Keys(Protocol):
    """Where public keys come from; see `jwks.KeyCache`."""

    async def key(self, kid: str) -> RSAKey | None: ...


class TokenVerifier(Protocol):
    """Verifies the access tokens of requests; a service's start leaves one as `app.state.verifier`."""

    async def verify(self, token: str) -> Principal:
        """Return the caller. Raise `InvalidTokenError`, or `Unavailable` while tokens can't be verified."""
        ...


class InvalidTokenError(Exception):
    """The token isn't good; the reason is for logs and tests, not for the caller."""


class _Verified(NamedTuple):
    """A token whose signature is that of `key`, and whom it names."""

    key_id: str
    key: RSAKey
    claims: Mapping[str, Any]
    principal: Principal


class Verifier:
    """Verifies access tokens.

    The signature of one token by one key is verified once, where its claims keep the rules. Whether the key is still
    in the set, and the time, is looked at each time.
    """

    def __init__(self, rules: Rules, keys: Keys, clock: Clock) -> None:
        self._rules = rules
        self._keys = keys
        self._clock = clock
        self._verified: dict[str, _Verified] = {}

    async def verify(self, token: str) -> Principal:
        """Raises `InvalidTokenError`, and `Unavailable` while the issuer's keys can't be had."""
        known = self._verified.get(token)
        kid = key_id(token) if known is None else known.key_id
        key = await self._keys.key(kid)
        if key is None:
            raise InvalidTokenError("unknown key")
        if known is None or known.key is not key:
            claims = verified_claims(token, key)
            known = _Verified(kid, key, claims, principal_of(claims, self._rules))
            self._remember(token, known)
        require_time(known.claims, self._rules, self._clock.time())
        return known.principal

    def _remember(self, token: str, verified: _Verified) -> None:
        if len(self._verified) >= VERIFIED_LIMIT:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = verified


def key_id(token: str) -> str:
    """The id of the key that a token claims to be signed with. Raises `InvalidTokenError` on a header out of bounds."""
    if len(token) > TOKEN_LIMIT or token.count(".") != 2:
        raise InvalidTokenError("not a compact JWS")
    try:
        header = msgspec.json.decode(urlsafe_b64decode(to_bytes(token.partition(".")[0])))
    except (ValueError, msgspec.DecodeError) as error:
        raise InvalidTokenError("unreadable header") from error
    if not isinstance(header, dict) or not header.keys() <= _KNOWN_HEADERS:
        raise InvalidTokenError("a header that isn't taken")
    if header.get("alg") != ALGORITHM or header.get("typ") not in _TYPES:
        raise InvalidTokenError("another algorithm or type")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise InvalidTokenError("no key id")
    return kid


def verified_claims(token: str, key: RSAKey) -> Mapping[str, Any]:
    """The claims of a token whose signature is the key's. Raises `InvalidTokenError`."""
    try:
        payload = jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload
        claims = msgspec.json.decode(payload)
    except (JoseError, ValueError, msgspec.DecodeError) as error:
        raise InvalidTokenError("bad signature or payload") from error
    if not isinstance(claims, dict):
        raise InvalidTokenError("claims aren't an object")
    return claims


def principal_of(claims: Mapping[str, Any], rules: Rules) -> Principal:
    """Who the claims say calls, whenever that is. Raises `InvalidTokenError` where one breaks the rules."""
    if claims.get("iss") != rules.issuer:
        raise InvalidTokenError("iss")
    if claims.get("token_use") != TOKEN_USE:
        raise InvalidTokenError("token_use")
    client = claims.get("client_id")
    if not isinstance(client, str) or client not in rules.client_ids:
        raise InvalidTokenError("client_id")
    groups = _groups(claims)
    session = claims.get("origin_jti")
    return Principal(
        subject=_subject(claims),
        roles=frozenset(role for role in Role if role in groups) or frozenset({Role.PATIENT}),
        practices=frozenset(group.removeprefix(PRACTICE_GROUP) for group in groups if group.startswith(PRACTICE_GROUP)),
        authenticated_at=_moment(claims, "auth_time"),
        expires_at=_moment(claims, "exp"),
        session=session if isinstance(session, str) else None,
    )


def require_time(claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """Raises `InvalidTokenError` unless the claims hold at the Unix time `now`."""
    if now >= _moment(claims, "exp") + rules.leeway:
        raise InvalidTokenError("exp")
    for name in ("iat", "nbf"):
        if (name == "iat" or name in claims) and _moment(claims, name) > now + rules.leeway:
            raise InvalidTokenError(name)


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    # A bool is an int to Python, not to JSON.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidTokenError(name)
    return float(value)


def _subject(claims: Mapping[str, Any]) -> UUID:
    try:
        return UUID(claims["sub"])
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise InvalidTokenError("sub") from error


def _groups(claims: Mapping[str, Any]) -> frozenset[str]:
    groups = claims.get("cognito:groups", [])
    if not isinstance(groups, list) or len(groups) > GROUPS_LIMIT or not all(isinstance(each, str) for each in groups):
        raise InvalidTokenError("cognito:groups")
    return frozenset(groups)


def rules_of(settings: PlatformSettings) -> Rules:
    return Rules(settings.auth_issuer, frozenset(settings.auth_client_ids))


@asynccontextmanager
async def open_verifier(settings: PlatformSettings, clock: Clock) -> AsyncIterator[Verifier]:
    """A verifier for the issuer of the settings. A service's start opens it and leaves it as `app.state.verifier`."""
    url = settings.auth_jwks_url or f"{settings.auth_issuer}/.well-known/jwks.json"
    async with open_key_cache(url, clock) as keys:
        yield Verifier(rules_of(settings), keys, clock)


_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="An access token of `/v1/auth/sign-in`.")


async def principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    """The caller: a dependency. Problems: 401 without a valid token, 503 while none can be checked."""
    if credentials is None:
        raise Unauthenticated("Sign in, and send the access token as `Authorization: Bearer …`.")
    verifier: TokenVerifier = request.app.state.verifier
    try:
        return await verifier.verify(credentials.credentials)
    except InvalidTokenError as error:
        raise Unauthenticated("The access token isn't valid, or not any more.", error="invalid_token") from error


InPrincipal: TypeAlias = Annotated[Principal, Depends(principal)]
"""An endpoint's parameter."""


def require(*roles: Role) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency: the caller, who has one of the roles; 403 for others.

    Use it as `Annotated[Principal, Depends(require(Role.STAFF))]`. Whose data the caller may see is another question:
    answer it where the data is, with 404.
    """

    async def required(caller: InPrincipal) -> Principal:
        if not caller.has(*roles):
            raise Forbidden(f"This is for: {', '.join(roles)}.")
        return caller

    return required


def require_recent(caller: Principal, clock: Clock, seconds: float) -> None:
    """401 where the password was given longer ago than that: sign in again first (RFC 9470)."""
    if clock.time() - caller.authenticated_at > seconds + LEEWAY:
        raise Unauthenticated(
            "Sign in again: this needs a sign-in of the last minutes.",
            error="insufficient_user_authentication",
            parameters={"max_age": str(int(seconds))},
        )
