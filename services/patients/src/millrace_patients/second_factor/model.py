"""One-time codes by time (TOTP, RFC 6238) and recovery codes, without I/O."""

import base64
import hmac

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

SECRET_BYTES = 20
"""Length of a secret: that of the hash, as RFC 4226, section 4, recommends."""
STEP_SECONDS = 30
DIGITS = 6
DRIFT_STEPS = 1
"""Number of steps before and after the current one whose codes are accepted, for clocks that differ."""
NOT_USED = -1
"""Step of a secret of which no code has been used."""
RECOVERY_CODES = 10
RECOVERY_BYTES = 15
"""From 14 on (112 bits) a MAC of a code suffices, without a slow hash of passwords."""
ISSUER = "Millrace"


def current_step(now: float) -> int:
    """Return the number of the time step at a Unix time in seconds."""
    return int(now // STEP_SECONDS)


def generate_code(secret: bytes, step: int) -> str:
    """Return the code of a time step."""
    return _totp(secret).generate(step * STEP_SECONDS).decode()


def find_step(secret: bytes, code: str, *, now: float, last_used: int) -> int | None:
    """Return the step whose code this is; None for a wrong code.

    A code is valid for its step and `DRIFT_STEPS` around it, and once: steps up to `last_used` are not accepted.
    """
    current = current_step(now)
    for step in range(max(current - DRIFT_STEPS, last_used + 1), current + DRIFT_STEPS + 1):
        if hmac.compare_digest(generate_code(secret, step).encode(), code.encode()):
            return step
    return None


def next_valid_step(now: float, last_used: int) -> int:
    """Return the current step, or the first one after it whose code has not been used."""
    return max(current_step(now), last_used + 1)


def encode_secret(secret: bytes) -> str:
    """Return the secret as text that can be typed into an app (base32 without padding)."""
    return base64.b32encode(secret).decode().rstrip("=")


def provisioning_uri(secret: bytes, email: str) -> str:
    """Return the `otpauth:` URI that apps read from a QR code."""
    return _totp(secret).get_provisioning_uri(email, ISSUER)


def format_recovery_code(randomness: bytes) -> str:
    """Return a recovery code of `RECOVERY_BYTES` random bytes, such as `abcd-efgh-ijkl-mnop-qrst-uvwx`."""
    text = base64.b32encode(randomness).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def normalize_code(text: str) -> str:
    """Return a code without the spaces and hyphens that people and apps add, in lower case."""
    return text.replace(" ", "").replace("-", "").lower()


def _totp(secret: bytes) -> TOTP:
    # SHA-1 is what apps support; its weakness doesn't matter in an HMAC.
    return TOTP(secret, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303
