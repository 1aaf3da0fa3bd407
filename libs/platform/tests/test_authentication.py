"""Verification of access tokens, rejection of forged ones, and refreshes of the issuer's keys."""

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import Depends, FastAPI
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from millrace_platform.authentication import (
    InPrincipal,
    Principal,
    Role,
    TokenRules,
    Verifier,
    parse_principal,
    require,
    require_recent,
)
from millrace_platform.errors import Unauthenticated, Unavailable
from millrace_platform.jwks import KeyCache, KeyCacheSettings, rsa_keys
from millrace_platform.problems import install_problem_handlers
from millrace_platform.testing import ManualClock
from millrace_platform.tokens import InvalidTokenError

NOW = 1_800_000_000.0
ISSUER = "https://issuer.example/v1/auth"
SUBJECT = "01890a5d-ac96-774b-bcce-b302099a8057"
KEY = RSAKey.generate_key(2048)
OTHER_KEY = RSAKey.generate_key(2048)


class Issuer:
    """A key source that can fail and counts its fetches."""

    def __init__(self, **keys: RSAKey) -> None:
        self.keys: dict[str, RSAKey] = keys
        self.down = False
        self.fetches = 0

    async def __call__(self) -> bytes:
        self.fetches += 1
        if self.down:
            raise OSError("down")
        return key_set(**self.keys)


def key_set(**keys: RSAKey) -> bytes:
    return json.dumps({"keys": [{**key.as_dict(private=False), "kid": kid} for kid, key in keys.items()]}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    good = {
        "iss": ISSUER,
        "sub": SUBJECT,
        "client_id": "millrace",
        "token_use": "access",
        "iat": NOW,
        "auth_time": NOW,
        "exp": NOW + 900,
        "origin_jti": "s1",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(
    header: dict[str, Any] | None = None, key: RSAKey = KEY, groups: list[str] | None = None, **changes: Any
) -> str:
    body = claims(**changes) | ({} if groups is None else {"cognito:groups": groups})
    return jwt.encode({"alg": "RS256", "kid": "k1", **(header or {})}, body, key, algorithms=["RS256"])


def base64url_json(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned_token(header: dict[str, Any], signature: bytes = b"") -> str:
    """Create a token with an arbitrary header that a JWT library would refuse to write."""
    encoded_signature = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    return f"{base64url_json(header)}.{base64url_json(claims())}.{encoded_signature}"


def sign_by_hand(header: dict[str, Any], payload: object = None) -> str:
    """Create a token with an arbitrary header and payload and a valid signature of the issuer's key."""
    content = f"{base64url_json(header)}.{base64url_json(claims() if payload is None else payload)}"
    private = KEY.private_key
    assert private is not None
    signature = private.sign(content.encode(), PKCS1v15(), SHA256())
    return f"{content}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(k1=KEY)


@pytest.fixture
def verifier(clock: ManualClock, issuer: Issuer) -> Verifier:
    return Verifier(TokenRules(ISSUER, frozenset({"millrace"})), KeyCache(issuer, clock), clock)


async def test_valid_token_identifies_the_caller(verifier: Verifier) -> None:
    groups = ["staff", "practice/p1", "practice/p2", "something-else"]
    principal = await verifier.verify(token(groups=groups))
    assert principal == Principal(
        UUID(SUBJECT), frozenset({Role.STAFF}), frozenset({"p1", "p2"}), NOW, NOW + 900, NOW, session="s1"
    )


async def test_caller_without_role_group_is_a_patient(verifier: Verifier) -> None:
    assert (await verifier.verify(token())).roles == {Role.PATIENT}


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://issuer.example/v1/auth/"},
        {"iss": None},
        {"token_use": "id"},
        {"token_use": None},
        {"client_id": "another"},
        {"client_id": None},
        {"client_id": ["millrace"]},
        {"exp": NOW - 30},
        {"exp": None},
        {"exp": True},
        {"exp": str(int(NOW + 900))},
        {"iat": NOW + 31},
        {"nbf": NOW + 31},
        {"auth_time": None},
        {"sub": None},
        {"sub": "admin"},
        {"cognito:groups": "admin"},
        {"cognito:groups": [1]},
    ],
    ids=lambda changes: "-".join(f"{name}={value}" for name, value in changes.items()),
)
async def test_invalid_claims_are_rejected(verifier: Verifier, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidTokenError):
        await verifier.verify(token(**changes))


async def test_clocks_may_differ_by_the_leeway(verifier: Verifier) -> None:
    await verifier.verify(token(exp=NOW - 29, iat=NOW + 29))


def hs256_with_the_public_key(encoding: Encoding) -> str:
    public = KEY.public_key.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    content = f"{base64url_json({'alg': 'HS256', 'kid': 'k1'})}.{base64url_json(claims())}"
    digest = hmac.new(public, content.encode(), hashlib.sha256).digest()
    return f"{content}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


NESTED: list[object] = []
for _ in range(900):
    NESTED = [NESTED]

FORGERIES = {
    "alg none": unsigned_token({"alg": "none", "kid": "k1"}),
    "alg none in mixed case": unsigned_token({"alg": "nOnE", "kid": "k1"}),
    "no alg": unsigned_token({"kid": "k1"}),
    "no signature": unsigned_token({"alg": "RS256", "kid": "k1"}),
    "HS256 with the public key as PEM": hs256_with_the_public_key(Encoding.PEM),
    "HS256 with the public key as DER": hs256_with_the_public_key(Encoding.DER),
    "RS512": jwt.encode({"alg": "RS512", "kid": "k1"}, claims(), KEY, algorithms=["RS512"]),
    "PS256": jwt.encode({"alg": "PS256", "kid": "k1"}, claims(), KEY, algorithms=["PS256"]),
    "no kid": sign_by_hand({"alg": "RS256"}),
    "kid of another type": sign_by_hand({"alg": "RS256", "kid": ["k1"]}),
    "unknown kid": token({"kid": "k2"}),
    "another key under a known kid": token(key=OTHER_KEY),
    "jku": sign_by_hand({"alg": "RS256", "kid": "k1", "jku": "https://evil.example/keys"}),
    "jwk": sign_by_hand({"alg": "RS256", "kid": "k1", "jwk": OTHER_KEY.as_dict(private=False)}),
    "x5u": sign_by_hand({"alg": "RS256", "kid": "k1", "x5u": "https://evil.example/cert"}),
    "x5c": sign_by_hand({"alg": "RS256", "kid": "k1", "x5c": ["MII"]}),
    "crit": sign_by_hand({"alg": "RS256", "kid": "k1", "crit": ["exp"]}),
    "unencoded payload": sign_by_hand({"alg": "RS256", "kid": "k1", "b64": False}),
    "another type": sign_by_hand({"alg": "RS256", "kid": "k1", "typ": "logout+jwt"}),
    "changed payload": ".".join(
        [token().split(".")[0], base64url_json(claims(sub=str(UUID(int=1)))), token().split(".")[2]]
    ),
    "a payload that isn't an object": sign_by_hand({"alg": "RS256", "kid": "k1"}, payload=[]),
    "header that isn't an object": f"{base64url_json([])}.{base64url_json(claims())}.AA",
    "not base64": "%%%.e30.AA",
    "not three parts": "e30.e30",
    "five parts": "a.b.c.d.e",
    "too long": token(filler="x" * 9000),
    "empty": "",
    "not ASCII": "é.é.é",
    "deeply nested header": base64.urlsafe_b64encode(b"[" * 3_000).decode() + ".e30.AA",
    "deeply nested payload": sign_by_hand({"alg": "RS256", "kid": "k1"}, payload=NESTED),
    "type of another type": sign_by_hand({"alg": "RS256", "kid": "k1", "typ": []}),
    "kid that isn't Unicode": sign_by_hand({"alg": "RS256", "kid": "\ud800"}),
    "times of 400 digits": token(exp=10**400),
    "time after the year 9999": token(exp=1e300),
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES.keys())
async def test_forged_tokens_are_rejected(verifier: Verifier, forged: str) -> None:
    with pytest.raises(InvalidTokenError):
        await verifier.verify(forged)


async def test_manually_signed_token_with_allowed_header_is_valid(verifier: Verifier) -> None:
    await verifier.verify(sign_by_hand({"alg": "RS256", "kid": "k1", "typ": "at+jwt"}))


def test_key_set_yields_only_keys_for_rs256() -> None:
    small = {"kty": "RSA", "kid": "small", "e": "AQAB", "n": "sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri"}
    listed = [
        {**KEY.as_dict(private=False), "kid": "good"},
        {**OTHER_KEY.as_dict(private=False), "kid": "good"},
        {**KEY.as_dict(private=False), "kid": "encryption", "use": "enc"},
        {**KEY.as_dict(private=False), "kid": "other algorithm", "alg": "HS256"},
        {**OctKey.import_key(b"k" * 32).as_dict(), "kid": "symmetric"},
        small,
        {"kty": "RSA", "kid": "half", "e": "AQAB"},
        KEY.as_dict(private=False) | {"kid": 7},
        "text",
    ]
    keys = rsa_keys(json.dumps({"keys": listed}).encode())
    assert list(keys) == ["good"]
    assert keys["good"].thumbprint() == KEY.thumbprint()


async def test_unknown_key_id_triggers_a_fetch(verifier: Verifier, issuer: Issuer, clock: ManualClock) -> None:
    await verifier.verify(token())
    issuer.keys = {"k1": KEY, "k2": OTHER_KEY}
    clock.now += 11
    await verifier.verify(token({"kid": "k2"}, key=OTHER_KEY))
    assert issuer.fetches == 2


async def test_unknown_key_ids_do_not_exceed_the_fetch_rate(verifier: Verifier, issuer: Issuer) -> None:
    for number in range(100):
        with pytest.raises(InvalidTokenError):
            await verifier.verify(token({"kid": f"made up {number}"}))
    assert issuer.fetches == 1


async def test_withdrawn_key_is_rejected(verifier: Verifier, issuer: Issuer, clock: ManualClock) -> None:
    await verifier.verify(token())
    issuer.keys = {"k2": OTHER_KEY}
    clock.now += 301
    with pytest.raises(InvalidTokenError):
        await verifier.verify(token({"kid": "k2"}))  # waits for the fetch; the signature is wrong
    with pytest.raises(InvalidTokenError):
        await verifier.verify(token(exp=clock.now + 900))


async def test_cached_token_is_rejected_after_expiry_or_key_change(
    verifier: Verifier, issuer: Issuer, clock: ManualClock
) -> None:
    short, long = token(), token(exp=NOW + 9_000)
    for each in (short, long, short, long):
        await verifier.verify(each)
    clock.now += 931
    with pytest.raises(InvalidTokenError, match="exp"):
        await verifier.verify(short)
    await verifier.verify(long)
    issuer.keys = {"k1": OTHER_KEY}
    clock.now += 301
    with pytest.raises(InvalidTokenError):
        await verifier.verify(token({"kid": "k2"}))  # waits for the fetch
    with pytest.raises(InvalidTokenError, match="signature"):
        await verifier.verify(long)


async def test_keys_are_used_for_a_day_while_the_issuer_is_down(
    verifier: Verifier, issuer: Issuer, clock: ManualClock
) -> None:
    await verifier.verify(token())
    issuer.down = True
    clock.now += 86_000
    await verifier.verify(token(exp=clock.now + 900))
    clock.now += 500
    with pytest.raises(Unavailable):
        await verifier.verify(token(exp=clock.now + 900))
    issuer.down = False
    clock.now += 11
    await verifier.verify(token(exp=clock.now + 900))


async def test_verification_is_unavailable_without_keys(verifier: Verifier, issuer: Issuer) -> None:
    issuer.down = True
    with pytest.raises(Unavailable):
        await verifier.verify(token())


async def test_hanging_fetch_times_out(clock: ManualClock) -> None:
    async def hang() -> bytes:
        await asyncio.Event().wait()
        return b""

    cache = KeyCache(hang, clock, KeyCacheSettings(timeout=0.01))
    with pytest.raises(Unavailable):
        await cache.key("k1")


async def test_endpoints_require_token_and_role(verifier: Verifier) -> None:
    app = FastAPI()
    app.state.verifier = verifier
    install_problem_handlers(app)

    @app.get("/subject")
    async def subject(caller: InPrincipal) -> str:
        return str(caller.subject)

    @app.get("/staff")
    async def staff(caller: Annotated[Principal, Depends(require(Role.STAFF, Role.ADMIN))]) -> str:
        return str(caller.subject)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:

        async def get(path: str, authorization: str | None = None) -> httpx.Response:
            return await client.get(path, headers={"Authorization": authorization} if authorization else {})

        missing, wrong = await get("/subject"), await get("/subject", "Bearer nonsense")
        assert (missing.status_code, missing.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert (wrong.status_code, wrong.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
        assert (await get("/subject", "Basic dTpw")).status_code == 401
        assert (await get("/subject", f"Bearer {token()}")).json() == SUBJECT
        refused = await get("/staff", f"Bearer {token()}")
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:millrace:problem:forbidden")
        assert (await get("/staff", f"Bearer {token(groups=['admin'])}")).status_code == 200


async def test_old_sign_in_is_rejected_where_a_recent_one_is_required(verifier: Verifier, clock: ManualClock) -> None:
    caller = await verifier.verify(token(auth_time=NOW - 400))
    require_recent(caller, clock, 600)
    with pytest.raises(Unauthenticated) as raised:
        require_recent(caller, clock, 300)
    assert raised.value.headers["WWW-Authenticate"] == (
        'Bearer error="insufficient_user_authentication", max_age="300"'
    )


@pytest.mark.parametrize("methods", [["pwd"], [], "otp", {"otp": 1}, None])
def test_privileged_roles_need_a_second_factor(methods: object) -> None:
    described = {**claims(), "cognito:groups": ["patient", "staff", "admin", "practice/1"], "amr": methods}
    caller = parse_principal(described, TokenRules(ISSUER, frozenset({"millrace"})))
    assert caller.roles == {Role.PATIENT}
    assert caller.practices == set()
    assert caller.withheld_roles == {Role.STAFF, Role.ADMIN}


def test_token_with_a_second_factor_has_all_its_roles() -> None:
    described = {**claims(), "cognito:groups": ["support", "staff", "practice/1"], "amr": ["pwd", "otp"]}
    caller = parse_principal(described, TokenRules(ISSUER, frozenset({"millrace"})))
    assert caller.roles == {Role.SUPPORT, Role.STAFF}
    assert caller.practices == {"1"}
    assert caller.withheld_roles == set()


def test_patient_needs_no_second_factor() -> None:
    assert parse_principal({**claims(), "amr": ["pwd"]}, TokenRules(ISSUER, frozenset({"millrace"}))).roles == {
        Role.PATIENT
    }
