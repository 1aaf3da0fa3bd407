"""Sign and verify the tokens that requests between services carry.

A token is a JWS in compact form, signed with HS256 by a key that only its caller and its audience have (RFC 7515,
RFC 7518 section 3.2), so a key proves one caller to one audience and nothing elsewhere. Its type `service+jwt`
distinguishes it from an access token. Claims: `iss` (the caller), `aud` (the called service), `purpose`, `iat`, `exp`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
from joserfc import jws
from joserfc.jwk import OctKey

from millrace_feeds.clock import Clock, SystemClock
from millrace_platform.tokens import LEEWAY, InvalidTokenError, check_validity, decode_claims, key_id, moment

ALGORITHM: Final = "HS256"
TYPE: Final = "service+jwt"
LIFETIME: Final = 30.0
"""Validity of a token in seconds. With the leeway of clocks a token that was read can be repeated for a minute."""
OPERATOR: Final = "operator"
"""The caller's name of `millrace` commands."""
ADMIN_TOKEN: Final = "MILLRACE_ADMIN_TOKEN"  # noqa: S105 # a variable's name
"""Environment variable with an admin's access token, which `millrace` commands send instead of their own tokens."""


class CallPurpose(StrEnum):
    """Purpose of a request between services; a token is valid only for the endpoints of its purpose."""

    STATUS = "status"
    REPLAY = "replay"
    RECOMPUTE = "recompute"
    SNAPSHOT = "snapshot"
    SENT_EMAILS = "sent-emails"
    ACCOUNT_EMAILS = "account-emails"
    CONTACTS = "contacts"
    BOOKING_PERMISSIONS = "booking-permissions"


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """A verified request of a service or command."""

    caller: str
    purpose: str


class ServiceTokenSigner:
    """Signs tokens for requests of one caller to one audience."""

    def __init__(self, caller: str, audience: str, key: str, clock: Clock) -> None:
        self._caller = caller
        self._audience = audience
        self._key = OctKey.import_key(key)
        self._clock = clock

    def token(self, purpose: CallPurpose) -> str:
        """Return a token that is valid from now for `LIFETIME`."""
        now = int(self._clock.time())
        claims = {
            "iss": self._caller,
            "aud": self._audience,
            "purpose": purpose.value,
            "iat": now,
            "exp": now + int(LIFETIME),
        }
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": self._caller}
        return jws.serialize_compact(header, msgspec.json.encode(claims), self._key, algorithms=[ALGORITHM])

    def headers(self, purpose: CallPurpose) -> dict[str, str]:
        """Return the header of a request with this purpose."""
        return {"Authorization": f"Bearer {self.token(purpose)}"}


class ServiceTokenVerifier:
    """Verifies the tokens of requests to one audience. `keys` are those of each caller, by name."""

    def __init__(self, audience: str, keys: Mapping[str, Sequence[str]], clock: Clock) -> None:
        self._audience = audience
        self._keys = {caller: [OctKey.import_key(key) for key in own] for caller, own in keys.items()}
        self._clock = clock

    def verify(self, token: str) -> ServiceCall:
        """Return the caller and its purpose. Raises `InvalidTokenError`."""
        caller = key_id(token, ALGORITHM, {TYPE})
        claims = self._claims(token, self._keys.get(caller, []))
        if claims.get("iss") != caller:
            raise InvalidTokenError("iss")
        if claims.get("aud") != self._audience:
            raise InvalidTokenError("aud")
        purpose = claims.get("purpose")
        if not isinstance(purpose, str):
            raise InvalidTokenError("purpose")
        check_validity(claims, self._clock.time(), LEEWAY)
        if moment(claims, "exp") - moment(claims, "iat") > LIFETIME:
            raise InvalidTokenError("exp after iat")
        return ServiceCall(caller, purpose)

    def _claims(self, token: str, keys: Sequence[OctKey]) -> Mapping[str, Any]:
        for key in keys:
            try:
                return decode_claims(token, key, ALGORITHM)
            except InvalidTokenError:  # perhaps signed by another key of the caller, while keys are rotated
                continue
        raise InvalidTokenError("no key of the caller verifies the signature")


def is_service_token(token: str) -> bool:
    """Return whether the token says that it is a service's. Never raises."""
    try:
        key_id(token, ALGORITHM, {TYPE})
    except InvalidTokenError:
        return False
    return True


def operator_headers(variables: Mapping[str, str], audience: str, purpose: CallPurpose) -> dict[str, str]:
    """Return the header with which a `millrace` command calls a service.

    `variables` is its environment: `MILLRACE_ADMIN_TOKEN`, an admin's access token, else the operator's key of the
    service, which only platforms on one machine have. Without both no header is returned, and the service responds
    with 401.
    """
    if admin_token := variables.get(ADMIN_TOKEN):
        return {"Authorization": f"Bearer {admin_token}"}
    key, _, _ = variables.get(operator_variable(audience), "").partition(",")
    if not key:
        return {}
    clock = SystemClock(float(variables.get("MILLRACE_CLOCK_AHEAD") or 0))
    return ServiceTokenSigner(OPERATOR, audience, key, clock).headers(purpose)


def operator_variable(audience: str) -> str:
    """Return the environment variable with the keys of `millrace` commands for a service."""
    return f"MILLRACE_OPERATOR_{audience.upper()}_KEYS"
