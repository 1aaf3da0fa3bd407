"""Devices known at an account ("device cookies", OWASP): a token that a sign-in leaves and the next one brings."""

import base64
import hmac
import secrets

from millrace_patients.crypto.service_keys import mac

NONCE_BYTES = 16


def device_token(key: bytes, account: bytes) -> str:
    """A new token for the account of an e-mail's index."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return base64.urlsafe_b64encode(nonce + mac(key, account, nonce)).rstrip(b"=").decode()


def known_device(key: bytes, account: bytes, token: str | None) -> bytes | None:
    """What names the device; None where the token isn't one of this account."""
    if token is None:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    nonce, given = raw[:NONCE_BYTES], raw[NONCE_BYTES:]
    return nonce if hmac.compare_digest(given, mac(key, account, nonce)) else None
