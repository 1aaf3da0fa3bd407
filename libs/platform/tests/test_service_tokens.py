"""Tokens of requests between services, and the forgeries and repetitions that they must withstand."""

import base64
import hmac
import json
from typing import Any

import pytest
from pydantic import ValidationError

from millrace_platform.service_tokens import (
    LIFETIME,
    TYPE,
    CallPurpose,
    ServiceCall,
    ServiceTokenSigner,
    ServiceTokenVerifier,
    is_service_token,
    operator_headers,
)
from millrace_platform.settings import CallerKeys, PlatformSettings
from millrace_platform.testing import ManualClock
from millrace_platform.tokens import LEEWAY, InvalidTokenError

KEY = "the key of notifications for patients"
OTHER_KEY = "the key of notifications for directory"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def signer(clock: ManualClock) -> ServiceTokenSigner:
    return ServiceTokenSigner("notifications", "patients", KEY, clock)


@pytest.fixture
def verifier(clock: ManualClock) -> ServiceTokenVerifier:
    return ServiceTokenVerifier("patients", {"notifications": [KEY], "scheduling": ["s" * 32]}, clock)


def forged(clock: ManualClock, *, key: str = KEY, header: Any = None, **claims: Any) -> str:
    """Return a token that differs from a valid one in these claims; without those that are None."""
    now = int(clock.time())
    values = {"iss": "notifications", "aud": "patients", "purpose": "contacts", "iat": now, "exp": now + 30, **claims}
    sent = {name: value for name, value in values.items() if value is not None}
    protected = {"alg": "HS256", "typ": TYPE, "kid": "notifications", **(header or {})}
    return signed(json.dumps(protected).encode(), json.dumps(sent).encode(), key)


def signed(header: bytes, payload: bytes, key: str = KEY) -> str:
    """Return a token of this header and payload with a valid signature."""
    content = f"{encoded(header)}.{encoded(payload)}"
    digest = "sha512" if b"HS512" in header else "sha256"
    return f"{content}.{encoded(hmac.digest(key.encode(), content.encode(), digest))}"


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def test_token_names_the_caller_and_its_purpose(signer: ServiceTokenSigner, verifier: ServiceTokenVerifier) -> None:
    token = signer.headers(CallPurpose.CONTACTS)["Authorization"].removeprefix("Bearer ")
    assert verifier.verify(token) == ServiceCall("notifications", "contacts")


def test_token_can_be_repeated_for_a_minute_at_most(
    signer: ServiceTokenSigner, verifier: ServiceTokenVerifier, clock: ManualClock
) -> None:
    token = signer.token(CallPurpose.CONTACTS)
    clock.advance(seconds=LIFETIME + LEEWAY - 1)
    verifier.verify(token)
    clock.advance(seconds=1)
    with pytest.raises(InvalidTokenError, match="exp"):
        verifier.verify(token)
    assert LIFETIME + LEEWAY <= 60


def test_forgery_differs_from_a_valid_token_only_as_it_says(clock: ManualClock, verifier: ServiceTokenVerifier) -> None:
    assert verifier.verify(forged(clock)).caller == "notifications"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "directory"},
        {"aud": ["patients", "directory"]},
        {"aud": None},
        {"iss": "scheduling"},
        {"iss": None},
        {"purpose": None},
        {"purpose": ["contacts"]},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": 1e300},
        {"iat": None},
        {"iat": True},
    ],
    ids=str,
)
def test_token_with_other_claims_is_invalid(
    clock: ManualClock, verifier: ServiceTokenVerifier, claims: dict[str, Any]
) -> None:
    with pytest.raises(InvalidTokenError):
        verifier.verify(forged(clock, **claims))


def test_caller_cannot_extend_the_life_of_its_tokens(clock: ManualClock, verifier: ServiceTokenVerifier) -> None:
    with pytest.raises(InvalidTokenError, match="exp after iat"):
        verifier.verify(forged(clock, exp=int(clock.time()) + 3600))


def test_token_of_the_future_is_invalid(clock: ManualClock, verifier: ServiceTokenVerifier) -> None:
    later = int(clock.time() + LEEWAY) + 1
    with pytest.raises(InvalidTokenError, match="iat"):
        verifier.verify(forged(clock, iat=later, exp=later + 30))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS512"},
        {"typ": "JWT"},
        {"typ": None},
        {"kid": "scheduling"},
        {"kid": "unknown"},
        {"kid": ""},
        {"jku": "https://attacker.example/keys"},
        {"crit": ["exp"]},
    ],
    ids=str,
)
def test_token_with_another_header_is_invalid(
    clock: ManualClock, verifier: ServiceTokenVerifier, header: dict[str, Any]
) -> None:
    with pytest.raises(InvalidTokenError):
        verifier.verify(forged(clock, header=header))


def test_key_of_another_audience_is_not_accepted(clock: ManualClock, verifier: ServiceTokenVerifier) -> None:
    with pytest.raises(InvalidTokenError):
        verifier.verify(forged(clock, key=OTHER_KEY))


def test_unsigned_token_is_invalid(clock: ManualClock, verifier: ServiceTokenVerifier) -> None:
    header, payload, _ = forged(clock).split(".")
    none = encoded(json.dumps({"alg": "none", "typ": TYPE, "kid": "notifications"}).encode())
    for token in (f"{header}.{payload}.", f"{none}.{payload}."):
        with pytest.raises(InvalidTokenError):
            verifier.verify(token)


NESTED = encoded(b"[" * 3000)


@pytest.mark.parametrize(
    "token", ["", "..", "a.b", "é.é.é", "\ud800.a.b", f"{NESTED}.a.b", f"{NESTED}.{NESTED}.{NESTED}", "x" * 9000]
)
def test_malformed_token_is_invalid(verifier: ServiceTokenVerifier, token: str) -> None:
    assert not is_service_token(token)
    with pytest.raises(InvalidTokenError):
        verifier.verify(token)


@pytest.mark.parametrize("payload", [b"[" * 3000, b"[]", b"\xff", b""])
def test_signed_but_malformed_payload_is_invalid(verifier: ServiceTokenVerifier, payload: bytes) -> None:
    header = json.dumps({"alg": "HS256", "typ": TYPE, "kid": "notifications"}).encode()
    with pytest.raises(InvalidTokenError):
        verifier.verify(signed(header, payload))


def test_keys_are_rotated_without_a_refused_request(clock: ManualClock) -> None:
    old, new = "o" * 32, "n" * 32
    signers = [ServiceTokenSigner("notifications", "patients", key, clock) for key in (old, new)]
    verifier = ServiceTokenVerifier("patients", {"notifications": [new, old]}, clock)
    assert [verifier.verify(each.token(CallPurpose.CONTACTS)).caller for each in signers] == ["notifications"] * 2


class _Settings(PlatformSettings):
    scheduling_patients_keys: CallerKeys = ()
    operator_patients_keys: CallerKeys = ()
    patients_directory_keys: CallerKeys = ()


def test_settings_name_the_callers_of_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_SCHEDULING_PATIENTS_KEYS", f"{'n' * 32}, {'o' * 32}")
    keys = _Settings().caller_keys("patients")
    assert keys == {"scheduling": ["n" * 32, "o" * 32], "operator": []}
    assert "n" * 32 not in repr(_Settings())


@pytest.mark.parametrize("value", ["short", "", f"{'n' * 32},"])
def test_short_key_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MILLRACE_SCHEDULING_PATIENTS_KEYS", value)
    with pytest.raises(ValidationError, match="at least 32 characters"):
        _Settings()


def test_commands_send_the_admins_token_or_sign_their_own() -> None:
    clock = ManualClock()
    keys = {"MILLRACE_OPERATOR_PATIENTS_KEYS": f"{'n' * 32},{'o' * 32}"}
    admin = {**keys, "MILLRACE_ADMIN_TOKEN": "a.b.c"}
    assert operator_headers(admin, "patients", CallPurpose.STATUS) == {"Authorization": "Bearer a.b.c"}
    assert operator_headers({}, "patients", CallPurpose.STATUS) == {}
    token = operator_headers(keys, "patients", CallPurpose.STATUS)["Authorization"].removeprefix("Bearer ")
    assert is_service_token(token)
    with pytest.raises(InvalidTokenError, match="iat"):  # signed by the machine's clock, not by this manual one
        ServiceTokenVerifier("patients", {"operator": ["n" * 32]}, ManualClock(0)).verify(token)
    assert clock.time() > 0
