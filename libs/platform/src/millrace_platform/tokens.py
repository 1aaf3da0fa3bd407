"""Read signed tokens (RFC 7515) that strangers may have forged: every malformed one raises `InvalidTokenError`."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, RSAKey
from joserfc.util import to_bytes, urlsafe_b64decode

TOKEN_LIMIT = 8_192
"""Maximum length of a token in characters."""
LEEWAY = 30.0
"""Allowed difference between clocks, in seconds."""
LATEST_MOMENT = 253_402_300_799
"""The last second of the year 9999, up to which times can be converted to dates."""

_KNOWN_HEADERS = frozenset({"alg", "kid", "typ"})
"""Accepted header parameters; others could supply keys (`jku`, `jwk`, `x5u`, `x5c`) or change rules (`crit`, `b64`)."""


class InvalidTokenError(Exception):
    """Raised if a token is not valid; the message is for logs and tests, not for the caller."""


def key_id(token: str, algorithm: str, types: Collection[str | None]) -> str:
    """Return the key id in the header of a token of this algorithm and one of these types.

    Raises `InvalidTokenError` if the header is not accepted.
    """
    if len(token) > TOKEN_LIMIT or token.count(".") != 2:
        raise InvalidTokenError("not a compact JWS")
    try:
        header = msgspec.json.decode(urlsafe_b64decode(to_bytes(token.partition(".")[0])))
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidTokenError("unreadable header") from error
    if not isinstance(header, dict) or not header.keys() <= _KNOWN_HEADERS:
        raise InvalidTokenError("header not accepted")
    kind = header.get("typ")
    if header.get("alg") != algorithm or not isinstance(kind, str | None) or kind not in types:
        raise InvalidTokenError("algorithm or type not accepted")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise InvalidTokenError("no key id")
    return kid


def decode_claims(token: str, key: RSAKey | OctKey, algorithm: str) -> Mapping[str, Any]:
    """Return the claims; raise `InvalidTokenError` if the signature is wrong or the payload is no JSON object."""
    try:
        payload = jws.deserialize_compact(token, key, algorithms=[algorithm]).payload
        claims = msgspec.json.decode(payload)
    except (JoseError, ValueError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidTokenError("bad signature or payload") from error
    if not isinstance(claims, dict):
        raise InvalidTokenError("claims aren't an object")
    return claims


def check_validity(claims: Mapping[str, Any], now: float, leeway: float) -> None:
    """Raise `InvalidTokenError` unless `exp`, `iat` and `nbf` allow use at the Unix time `now`, within the leeway."""
    if now >= moment(claims, "exp") + leeway:
        raise InvalidTokenError("exp")
    for name in ("iat", "nbf"):
        if (name == "iat" or name in claims) and moment(claims, name) > now + leeway:
            raise InvalidTokenError(name)


def moment(claims: Mapping[str, Any], name: str) -> float:
    """Return the Unix time in a claim; raise `InvalidTokenError` if there is none."""
    value = claims.get(name)
    # In Python a bool is an int; in JSON it is not a number.
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > LATEST_MOMENT:
        raise InvalidTokenError(name)
    return float(value)
