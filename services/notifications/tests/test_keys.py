"""Tests of the keys that webhook secrets are derived from."""

import base64
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from millrace_notifications.endpoint.model import SecretRef, UnknownKeyError
from millrace_notifications.keys import WebhookKeyError, create_local_key, load_secrets
from millrace_notifications.settings import NotificationsSettings
from millrace_platform.testing import SERVICE_KEY

ENDPOINT = UUID(int=7)


def settings(**changes: Any) -> NotificationsSettings:
    return NotificationsSettings(**{"notifications_patients_keys": SERVICE_KEY, **changes})


def key(byte: bytes) -> SecretStr:
    return SecretStr(base64.b64encode(byte * 32).decode())


def test_local_key_is_created_once_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "home" / "key"
    local = settings(notifications_webhook_key_file=path)
    create_local_key(local)
    first = path.read_bytes()
    create_local_key(local)
    assert path.read_bytes() == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["key"]
    assert load_secrets(local).keys


def test_no_local_key_is_created_if_the_settings_contain_keys(tmp_path: Path) -> None:
    path = tmp_path / "key"
    create_local_key(settings(notifications_webhook_key_file=path, notifications_webhook_keys=(key(b"a"),)))
    assert not path.exists()


def test_existing_secrets_survive_a_new_first_key() -> None:
    before = load_secrets(settings(notifications_webhook_keys=(key(b"a"),)))
    ref = SecretRef(before.current, 1)
    after = load_secrets(settings(notifications_webhook_keys=(key(b"b"), key(b"a"))))
    assert after.current != before.current
    assert after.encode(ENDPOINT, ref) == before.encode(ENDPOINT, ref)
    without = load_secrets(settings(notifications_webhook_keys=(key(b"b"),)))
    with pytest.raises(UnknownKeyError):
        without.derive(ENDPOINT, ref)


@pytest.mark.parametrize("text", ["not base64!", base64.b64encode(b"short").decode()])
def test_invalid_key_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(WebhookKeyError) as raised:
        load_secrets(settings(notifications_webhook_keys=(SecretStr(text),)))
    assert text not in str(raised.value)


def test_missing_key_error_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(WebhookKeyError, match="millrace init"):
        load_secrets(settings(notifications_webhook_key_file=tmp_path / "none"))
