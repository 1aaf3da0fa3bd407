"""Device tokens ("device cookies", OWASP): issued by a sign-in and sent with the next one from the same device."""

import base64
import hmac
import secrets

from millrace_patients.crypto.service_keys import compute_mac

NONCE_BYTES = 16


def create_device_token(key: bytes, account: bytes) -> str:
    """Return a new device token for the account with this email index."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return base64.urlsafe_b64encode(nonce + compute_mac(key, account, nonce)).rstrip(b"=").decode()


def verify_device_token(key: bytes, account: bytes, token: str | None) -> bytes | None:
    """Return the device's id; None if the token was not issued for this account."""
    if token is None:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    nonce, given = raw[:NONCE_BYTES], raw[NONCE_BYTES:]
    return nonce if hmac.compare_digest(given, compute_mac(key, account, nonce)) else None
