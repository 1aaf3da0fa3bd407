"""Signatures of Standard Webhooks (specification 1.0.0, "Signature scheme", symmetric): pure."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

VERSION = "v1"


def signed_headers(identifier: str, timestamp: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """Return the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`, with a signature for each secret.

    `timestamp` is in Unix seconds.
    """
    content = f"{identifier}.{timestamp}.".encode() + body
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"{VERSION},{_mac(secret, content)}" for secret in secrets),
    }


def _mac(secret: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
