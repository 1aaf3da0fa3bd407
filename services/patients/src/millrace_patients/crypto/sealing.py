"""AES-256-GCM with the nonce in front: format version (1 byte), nonce (12), ciphertext, tag (16)."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FORMAT = b"\x01"
NONCE_BYTES = 12


class SealBrokenError(Exception):
    """The bytes weren't sealed with this key for this place, or were changed since."""


def seal(key: bytes, plain: bytes, place: str) -> bytes:
    """Encrypt for a place, e.g. `account/<id>/email`: nowhere else can it be opened.

    Nonces are random: one key may seal 2**32 times (NIST SP 800-38D, section 8.3), far more than a person has data.
    """
    nonce = os.urandom(NONCE_BYTES)
    return FORMAT + nonce + AESGCM(key).encrypt(nonce, plain, place.encode())


def unseal(key: bytes, sealed: bytes, place: str) -> bytes:
    """What was sealed. Raises `SealBrokenError`."""
    nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    if sealed[:1] != FORMAT or len(nonce) != NONCE_BYTES:
        raise SealBrokenError(place)
    try:
        return AESGCM(key).decrypt(nonce, rest, place.encode())
    except InvalidTag as error:
        raise SealBrokenError(place) from error


def derive(root: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose (HKDF, RFC 5869); one says nothing of another."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(root)
