"""Tests of the verification code in the how-to guide for practices."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from millrace_notifications.delivery.signing import signed_headers
from millrace_notifications.endpoint.model import SECRET_BYTES, SecretRef

from .running import SECRETS

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "receive-webhooks.md"
BODY = '{"type":"ping","of":"Zoë"}'.encode()
ID = "01a1fdb4-849c-715e-ac23-b081267c2d79"

Verify = Callable[[str, dict[str, str], bytes], None]


@pytest.fixture(scope="module")
def verify() -> Verify:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 # code of our own documentation
    function: Verify = names["verify"]
    return function


def secret(generation: int) -> str:
    return SECRETS.encode(UUID(ID), SecretRef(SECRETS.current, generation))


def raw(generation: int) -> bytes:
    return SECRETS.derive(UUID(ID), SecretRef(SECRETS.current, generation))


def test_signed_message_verifies(verify: Verify) -> None:
    assert len(raw(1)) == SECRET_BYTES
    verify(secret(1), signed_headers(ID, int(time.time()), BODY, [raw(1)]), BODY)


def test_both_secrets_verify_during_a_rotation(verify: Verify) -> None:
    headers = signed_headers(ID, int(time.time()), BODY, [raw(2), raw(1)])
    for generation in (1, 2):
        verify(secret(generation), headers, BODY)
    with pytest.raises(ValueError, match="wrong signature"):
        verify(secret(3), headers, BODY)


@pytest.mark.parametrize("age", [-400, 400])
def test_old_or_future_timestamp_is_rejected(verify: Verify, age: int) -> None:
    with pytest.raises(ValueError, match="too old"):
        verify(secret(1), signed_headers(ID, int(time.time()) - age, BODY, [raw(1)]), BODY)


def test_changed_message_is_rejected(verify: Verify) -> None:
    headers = signed_headers(ID, int(time.time()), BODY, [raw(1)])
    with pytest.raises(ValueError, match="wrong signature"):
        verify(secret(1), headers, BODY.replace(b"ping", b"pong"))
    with pytest.raises(ValueError, match="wrong signature"):
        verify(secret(1), {**headers, "webhook-id": "other"}, BODY)
