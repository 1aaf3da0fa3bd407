"""AES-256-GCM encryption in the format: version (1 byte), nonce (12), ciphertext, tag (16)."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FORMAT = b"\x01"
NONCE_BYTES = 12


class UnsealError(Exception):
    """Raised by `unseal` if bytes were sealed with another key or label, or were modified."""


def seal(key: bytes, plain: bytes, label: str) -> bytes:
    """Encrypt bytes and bind them to a label, e.g. `account/<id>/email`: unsealing requires the same label.

    Nonces are random: one key may seal 2**32 times (NIST SP 800-38D, section 8.3), far more than one person's data
    needs.
    """
    nonce = os.urandom(NONCE_BYTES)
    return FORMAT + nonce + AESGCM(key).encrypt(nonce, plain, label.encode())


def unseal(key: bytes, sealed: bytes, label: str) -> bytes:
    """Return the plain bytes; raise `UnsealError` for another key or label and for modified bytes."""
    nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    if sealed[:1] != FORMAT or len(nonce) != NONCE_BYTES:
        raise UnsealError(label)
    try:
        return AESGCM(key).decrypt(nonce, rest, label.encode())
    except InvalidTag as error:
        raise UnsealError(label) from error


def derive_key(root: bytes, purpose: str) -> bytes:
    """Derive an independent key of 32 bytes for one purpose (HKDF, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(root)
