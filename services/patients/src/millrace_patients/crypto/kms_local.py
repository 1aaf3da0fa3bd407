"""Key management inside the process, with master keys from the environment or from a file only its owner can read."""

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from millrace_patients.crypto.kms import DATA_KEY_BYTES, DataKey, EncryptionContext, UnwrapError
from millrace_patients.crypto.sealing import UnsealError, seal, unseal

ID_BYTES = 8


class MasterKeyError(Exception):
    """Raised if there is no usable master key; the message says what to do."""


class LocalKms:
    """Wraps with the first master key and unwraps with any of them; each has 32 bytes.

    To rotate, prepend a new key. A wrapped key begins with the id of its master key.
    """

    def __init__(self, master_keys: Sequence[bytes]) -> None:
        if not master_keys or any(len(key) != DATA_KEY_BYTES for key in master_keys):
            raise MasterKeyError(f"A master key has {DATA_KEY_BYTES} bytes; configure at least one.")
        self._current = _id(master_keys[0])
        self._keys = {_id(key): key for key in master_keys}

    async def generate(self, context: EncryptionContext) -> DataKey:
        plain = os.urandom(DATA_KEY_BYTES)
        sealed = seal(self._keys[self._current], plain, _label(context))
        return DataKey(plain, self._current + sealed)

    async def unwrap(self, wrapped: bytes, context: EncryptionContext) -> bytes:
        key = self._keys.get(wrapped[:ID_BYTES])
        if key is None:
            raise UnwrapError("wrapped by an unknown master key")
        try:
            return unseal(key, wrapped[ID_BYTES:], _label(context))
        except UnsealError as error:
            raise UnwrapError("wrapped for another context") from error


def _id(key: bytes) -> bytes:
    return hashlib.sha256(b"millrace master key id" + key).digest()[:ID_BYTES]


def _label(context: EncryptionContext) -> str:
    return msgspec.json.encode(dict(context), order="sorted").decode()


def decode_master_key(text: str) -> bytes:
    """Decode a base64 master key; raise `MasterKeyError`, without quoting the text, if it is invalid."""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except ValueError as error:
        raise MasterKeyError("The master key is not valid base64.") from error


def read_master_key(path: Path) -> bytes:
    """Return the master key in the file; raise `MasterKeyError` if there is none."""
    try:
        return decode_master_key(path.read_text())
    except OSError as error:
        raise MasterKeyError(
            f"No master key at {path}: run `millrace init`, or set MILLRACE_PATIENTS_MASTER_KEYS."
        ) from error
