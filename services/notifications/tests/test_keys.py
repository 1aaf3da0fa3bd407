"""The keys that webhook secrets come from."""

import base64
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from millrace_notifications.endpoint.model import SecretPlace, UnknownKeyError
from millrace_notifications.keys import WebhookKeyError, open_secrets, provide_key
from millrace_notifications.settings import NotificationsSettings

ENDPOINT = UUID(int=7)


def settings(**changes: Any) -> NotificationsSettings:
    return NotificationsSettings(**changes)


def key(byte: bytes) -> SecretStr:
    return SecretStr(base64.b64encode(byte * 32).decode())


def test_the_local_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    place = tmp_path / "home" / "key"
    local = settings(notifications_webhook_key_file=place)
    provide_key(local)
    first = place.read_bytes()
    provide_key(local)
    assert place.read_bytes() == first
    assert place.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in place.parent.iterdir()] == ["key"]
    assert open_secrets(local).keys


def test_where_keys_are_given_none_is_made(tmp_path: Path) -> None:
    place = tmp_path / "key"
    provide_key(settings(notifications_webhook_key_file=place, notifications_webhook_keys=(key(b"a"),)))
    assert not place.exists()


def test_a_new_key_in_front_leaves_old_secrets_as_they_were() -> None:
    before = open_secrets(settings(notifications_webhook_keys=(key(b"a"),)))
    place = SecretPlace(before.current, 1)
    after = open_secrets(settings(notifications_webhook_keys=(key(b"b"), key(b"a"))))
    assert after.current != before.current
    assert after.shown(ENDPOINT, place) == before.shown(ENDPOINT, place)
    without = open_secrets(settings(notifications_webhook_keys=(key(b"b"),)))
    with pytest.raises(UnknownKeyError):
        without.raw(ENDPOINT, place)


@pytest.mark.parametrize("given", ["not base64!", base64.b64encode(b"short").decode()])
def test_a_key_that_is_none_is_refused_and_not_quoted(given: str) -> None:
    with pytest.raises(WebhookKeyError) as raised:
        open_secrets(settings(notifications_webhook_keys=(SecretStr(given),)))
    assert given not in str(raised.value)


def test_no_key_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WebhookKeyError, match="millrace init"):
        open_secrets(settings(notifications_webhook_key_file=tmp_path / "none"))
