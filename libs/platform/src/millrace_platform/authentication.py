"""Authenticate callers by OIDC access tokens in the format of Amazon Cognito.

A token is a JWS in compact form, signed with RS256 by a key of the issuer's published set (RFC 7515, RFC 9068).
The token cannot choose how it is verified: the algorithm is fixed, keys come only from the issuer's set, and a header
that contains or references a key is rejected. Claims: `iss`, `sub` (a UUID), `client_id`, `token_use` = `access`,
`exp`, `iat`, `auth_time`, `origin_jti` (the session), and `cognito:groups`: roles, and `practice/<id>` for each
practice that a member of staff works for. Callers without a role's group are patients.

Staff, support and administrators must have signed in with a second factor: a token whose `amr` (RFC 8176) has no `otp`
doesn't have these roles. Cognito's access tokens have no `amr`; its user pool requires the second factor itself.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, Protocol, TypeAlias
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc.jwk import RSAKey

from millrace_feeds.clock import Clock
from millrace_platform.context import request_notes
from millrace_platform.errors import Forbidden, Unauthenticated
from millrace_platform.jwks import open_key_cache
from millrace_platform.settings import PlatformSettings
from millrace_platform.tokens import LEEWAY, InvalidTokenError, check_validity, decode_claims, key_id, moment

ALGORITHM = "RS256"
TOKEN_USE = "access"  # noqa: S105 # a kind of token, not one
VERIFIED_LIMIT = 2_048
"""Maximum number of verified tokens in the cache, which then takes a few megabytes."""
PASSWORD_METHOD = "pwd"  # noqa: S105 # a method, not a password
CODE_METHOD = "otp"
GROUPS_LIMIT = 200
PRACTICE_GROUP = "practice/"

_TYPES = frozenset({None, "JWT", "at+jwt"})


class Role(StrEnum):
    """A role that grants a caller access to endpoints; a caller may have several."""

    PATIENT = "patient"
    STAFF = "staff"
    SUPPORT = "support"
    ADMIN = "admin"


PRIVILEGED_ROLES = frozenset({Role.STAFF, Role.SUPPORT, Role.ADMIN})
"""Roles with access to other people's data."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. `practices`: ids of those that a member of staff works for. Times are Unix seconds."""

    subject: UUID
    roles: frozenset[Role]
    practices: frozenset[str]
    authenticated_at: float
    """Time at which the caller last entered the password."""
    expires_at: float
    issued_at: float
    session: str | None = None
    withheld_roles: frozenset[Role] = frozenset()
    """Roles of the account that the token doesn't have, because the sign-in had no second factor."""

    def has(self, *roles: Role) -> bool:
        """Return whether the caller has at least one of the roles."""
        return not self.roles.isdisjoint(roles)


@dataclass(frozen=True, slots=True)
class TokenRules:
    """The issuer and clients whose tokens are accepted; `leeway` is the allowed clock difference in seconds."""

    issuer: str
    client_ids: frozenset[str]
    leeway: float = LEEWAY


class Keys(Protocol):
    """Finds a public key of the issuer by its id, None if the issuer has no such key; `jwks.KeyCache` fetches them."""

    async def key(self, kid: str) -> RSAKey | None: ...


class TokenVerifier(Protocol):
    """Verifies the access tokens of requests; each service stores one as `app.state.verifier` when it starts."""

    async def verify(self, token: str) -> Principal:
        """Return the token's caller. Raise `InvalidTokenError`, or `Unavailable` while tokens can't be verified."""
        ...


class RevokedTokenError(InvalidTokenError):
    """Raised for a token that was valid until its session ended, its account's roles changed or it was erased."""


class _VerifiedToken(NamedTuple):
    """A cached token: the key that verified its signature, its claims, and its caller."""

    key_id: str
    key: RSAKey
    claims: Mapping[str, Any]
    principal: Principal


class Verifier:
    """Verifies access tokens with the issuer's current keys.

    Caches tokens with a valid signature and valid claims. Checks on every call that the key is still in the issuer's
    set and that the token has not expired.
    """

    def __init__(self, rules: TokenRules, keys: Keys, clock: Clock) -> None:
        self._rules = rules
        self._keys = keys
        self._clock = clock
        self._verified: dict[str, _VerifiedToken] = {}

    async def verify(self, token: str) -> Principal:
        """Return the token's caller. Raises `InvalidTokenError`, and `Unavailable` while the keys can't be fetched."""
        known = self._verified.get(token)
        kid = key_id(token, ALGORITHM, _TYPES) if known is None else known.key_id
        key = await self._keys.key(kid)
        if key is None:
            raise InvalidTokenError("unknown key")
        if known is None or known.key is not key:
            claims = decode_claims(token, key, ALGORITHM)
            known = _VerifiedToken(kid, key, claims, parse_principal(claims, self._rules))
            self._remember(token, known)
        check_validity(known.claims, self._clock.time(), self._rules.leeway)
        return known.principal

    def _remember(self, token: str, verified: _VerifiedToken) -> None:
        if len(self._verified) >= VERIFIED_LIMIT:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = verified


def parse_principal(claims: Mapping[str, Any], rules: TokenRules) -> Principal:
    """Return the caller that the claims describe; raise `InvalidTokenError` for invalid ones. Doesn't check times."""
    if claims.get("iss") != rules.issuer:
        raise InvalidTokenError("iss")
    if claims.get("token_use") != TOKEN_USE:
        raise InvalidTokenError("token_use")
    client = claims.get("client_id")
    if not isinstance(client, str) or client not in rules.client_ids:
        raise InvalidTokenError("client_id")
    groups = _groups(claims)
    session = claims.get("origin_jti")
    granted = frozenset(role for role in Role if role in groups) or frozenset({Role.PATIENT})
    withheld = frozenset[Role]() if _has_second_factor(claims) else granted & PRIVILEGED_ROLES
    practices = (group.removeprefix(PRACTICE_GROUP) for group in groups if group.startswith(PRACTICE_GROUP))
    return Principal(
        subject=_subject(claims),
        roles=granted - withheld,
        practices=frozenset[str]() if Role.STAFF in withheld else frozenset(practices),
        authenticated_at=moment(claims, "auth_time"),
        expires_at=moment(claims, "exp"),
        issued_at=moment(claims, "iat"),
        session=session if isinstance(session, str) else None,
        withheld_roles=withheld,
    )


def _has_second_factor(claims: Mapping[str, Any]) -> bool:
    methods = claims.get("amr", [CODE_METHOD])
    return isinstance(methods, list) and CODE_METHOD in methods


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


def token_rules(settings: PlatformSettings) -> TokenRules:
    return TokenRules(settings.auth_issuer, frozenset(settings.auth_client_ids))


@asynccontextmanager
async def open_verifier(settings: PlatformSettings, clock: Clock) -> AsyncIterator[Verifier]:
    """Yield a verifier of the tokens that the issuer in the settings signs; close its key cache after the block."""
    url = settings.auth_jwks_url or f"{settings.auth_issuer}/.well-known/jwks.json"
    async with open_key_cache(url, clock, settings.public_context()) as keys:
        yield Verifier(token_rules(settings), keys, clock)


_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="An access token from `/v1/auth/sign-in`.")


async def principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    """Return the request's caller (a FastAPI dependency). Problems: 401 without a valid token, 503 during outages."""
    if credentials is None:
        raise Unauthenticated("No access token was sent. Sign in and send it as `Authorization: Bearer …`.")
    verifier: TokenVerifier = request.app.state.verifier
    try:
        caller = await verifier.verify(credentials.credentials)
    except RevokedTokenError as error:
        raise Unauthenticated(
            "The session has ended or its roles have changed. Refresh the tokens, or sign in again.",
            error="invalid_token",
        ) from error
    except InvalidTokenError as error:
        raise Unauthenticated(
            "The access token is invalid or expired. Sign in again.", error="invalid_token"
        ) from error
    request_notes(request.scope).caller = ",".join(sorted(caller.roles))
    return caller


InPrincipal: TypeAlias = Annotated[Principal, Depends(principal)]
"""The caller as an endpoint's parameter."""


def require(*roles: Role) -> Callable[[Principal], Awaitable[Principal]]:
    """Create a dependency that returns the caller if it has one of the roles, and responds with 403 otherwise.

    Use it as `Annotated[Principal, Depends(require(Role.STAFF))]`. It does not check access to a resource: services
    respond with 404 for resources that the caller can't view.
    """

    async def required(caller: InPrincipal) -> Principal:
        if not caller.has(*roles):
            if not caller.withheld_roles.isdisjoint(roles):
                raise _second_factor_required()
            raise Forbidden(f"Required role: {', '.join(roles)}. Sign in with such an account.")
        return caller

    return required


def _second_factor_required() -> Unauthenticated:
    return Unauthenticated(
        "This role requires a second factor. Set one up at `/v1/auth/second-factor`, or sign in with its code.",
        error="insufficient_user_authentication",
        parameters={"acr_values": CODE_METHOD},
    )


def require_recent(caller: Principal, clock: Clock, seconds: float) -> None:
    """Raise problem 401 (RFC 9470: sign in again) if the caller entered the password more than `seconds` ago."""
    if clock.time() - caller.authenticated_at > seconds + LEEWAY:
        raise Unauthenticated(
            "This request requires a recent sign-in. Sign in again.",
            error="insufficient_user_authentication",
            parameters={"max_age": str(int(seconds))},
        )
