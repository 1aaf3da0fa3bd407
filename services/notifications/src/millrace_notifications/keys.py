"""The keys that webhook secrets come from: given by the settings, or in a file on one's own machine."""

import base64
import os
from pathlib import Path

from millrace_notifications.endpoint.model import SECRET_BYTES, Secrets
from millrace_notifications.settings import NotificationsSettings


class WebhookKeyError(Exception):
    """There is no usable key; the text says what to do, and doesn't quote it."""


def open_secrets(settings: NotificationsSettings) -> Secrets:
    """Raises `WebhookKeyError`."""
    given = [key.get_secret_value() for key in settings.notifications_webhook_keys]
    return Secrets.of([_decoded(text) for text in given or [_read(settings.notifications_webhook_key_file)]])


def provide_key(settings: NotificationsSettings) -> None:
    """Make the local key where none is given and none is there yet. Of several that try at once, one does."""
    path = settings.notifications_webhook_key_file
    if settings.notifications_webhook_keys or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(base64.b64encode(os.urandom(SECRET_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link appears whole or not at all, and never over another.
        os.link(fresh, path)
    except FileExistsError:
        return
    finally:
        fresh.unlink()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise WebhookKeyError(
            f"No webhook key at {path}: run `millrace init`, or set MILLRACE_NOTIFICATIONS_WEBHOOK_KEYS."
        ) from error


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError as error:
        raise WebhookKeyError("A webhook key isn't base64.") from error
    if len(key) != SECRET_BYTES:
        raise WebhookKeyError(f"A webhook key has {SECRET_BYTES} bytes.")
    return key
