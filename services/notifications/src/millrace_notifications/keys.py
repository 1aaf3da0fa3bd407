"""Keys that webhook secrets are derived from: from the settings, or from a local file for development."""

import base64
from pathlib import Path

from millrace_notifications.endpoint.model import SECRET_BYTES, Secrets
from millrace_notifications.settings import NotificationsSettings
from millrace_platform.key_file import create_key_file


class WebhookKeyError(Exception):
    """No valid key is configured. The message says what to do and never contains a key."""


def load_secrets(settings: NotificationsSettings) -> Secrets:
    """Return secrets with the keys of the settings, else with that of the local file. Raises `WebhookKeyError`."""
    keys = [key.get_secret_value() for key in settings.notifications_webhook_keys]
    return Secrets.of([_decode(text) for text in keys or [_read(settings.notifications_webhook_key_file)]])


def create_local_key(settings: NotificationsSettings) -> None:
    """Create the key file unless the settings contain keys or it exists. Safe for concurrent processes."""
    if not settings.notifications_webhook_keys:
        create_key_file(settings.notifications_webhook_key_file)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise WebhookKeyError(
            f"No webhook key at {path}. Run `millrace init`, or set MILLRACE_NOTIFICATIONS_WEBHOOK_KEYS."
        ) from error


def _decode(text: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError as error:
        raise WebhookKeyError("A webhook key isn't valid base64. Encode keys in base64.") from error
    if len(key) != SECRET_BYTES:
        raise WebhookKeyError(f"A webhook key has the wrong length. Use {SECRET_BYTES} random bytes.")
    return key
