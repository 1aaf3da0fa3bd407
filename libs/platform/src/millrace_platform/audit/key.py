"""The key of a service's audit trail: from the settings, or from a local file for development.

It isn't in the database: a writer of the database could else compute the digests of a changed trail.
"""

import hashlib
import hmac
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from millrace_platform.audit.anchors import AnchorSettings
from millrace_platform.audit.model import TrailUnavailableError
from millrace_platform.key_file import create_key_file

KEY_LENGTH: Final = 32


class AuditSettings(AnchorSettings):
    """Settings of a service that keeps an audit trail of its own with a key of its own."""

    audit_key: SecretStr | None = None
    """Key of the audit trail's digests, a secret of at least 32 characters.

    If it is lost, the trail can't be verified any more.
    """
    audit_key_file: Path = Path(".millrace/audit-key")
    """File with that key if `audit_key` isn't set; `millrace init` creates it."""


class AuditKeyError(TrailUnavailableError):
    """No valid key is configured. The message says what to do and never contains a key."""


def create_local_audit_key(settings: AuditSettings) -> None:
    """Create the key file unless the settings contain the key or the file exists."""
    if settings.audit_key is None:
        create_key_file(settings.audit_key_file)


def load_audit_key(settings: AuditSettings, service: str) -> bytes:
    """Return the key of a service's trail; services with the same configured key have different ones.

    Raises `AuditKeyError` if there is no valid key.
    """
    text = _read(settings.audit_key_file) if settings.audit_key is None else settings.audit_key.get_secret_value()
    key = text.strip()
    if len(key) < KEY_LENGTH:
        raise AuditKeyError(f"The audit key is too short. Use at least {KEY_LENGTH} random characters.")
    return hmac.digest(key.encode(), f"millrace audit trail of {service}".encode(), hashlib.sha256)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise AuditKeyError(f"No audit key at {path}. Run `millrace init`, or set MILLRACE_AUDIT_KEY.") from error
