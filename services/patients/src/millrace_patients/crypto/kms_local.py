"""A KMS in the process, for one machine: master keys from the environment or from a file that only its owner reads."""

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from millrace_patients.crypto.kms import DATA_KEY_BYTES, Context, DataKey, KeyRefusedError
from millrace_patients.crypto.sealing import SealBrokenError, seal, unseal

ID_BYTES = 8


class MasterKeyError(Exception):
    """There is no usable master key; the text says what to do."""


class LocalKms:
    """Wraps with the first master key (32 bytes each) and unwraps with whichever it was.

    To rotate, put a new key in front. A wrapped key begins with the id of its master key.
    """

    def __init__(self, master_keys: Sequence[bytes]) -> None:
        if not master_keys or any(len(key) != DATA_KEY_BYTES for key in master_keys):
            raise MasterKeyError(f"A master key has {DATA_KEY_BYTES} bytes; give at least one.")
        self._current = _id(master_keys[0])
        self._keys = {_id(key): key for key in master_keys}

    async def generate(self, context: Context) -> DataKey:
        plain = os.urandom(DATA_KEY_BYTES)
        sealed = seal(self._keys[self._current], plain, _place(context))
        return DataKey(plain, self._current + sealed)

    async def unwrap(self, wrapped: bytes, context: Context) -> bytes:
        key = self._keys.get(wrapped[:ID_BYTES])
        if key is None:
            raise KeyRefusedError("wrapped by a master key that isn't here")
        try:
            return unseal(key, wrapped[ID_BYTES:], _place(context))
        except SealBrokenError as error:
            raise KeyRefusedError("not for this context") from error


def _id(key: bytes) -> bytes:
    return hashlib.sha256(b"millrace master key id" + key).digest()[:ID_BYTES]


def _place(context: Context) -> str:
    return msgspec.json.encode(dict(context), order="sorted").decode()


def decode_master_key(text: str) -> bytes:
    """From base64. Raises `MasterKeyError`, which doesn't quote it."""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except ValueError as error:
        raise MasterKeyError("The master key isn't base64.") from error


def read_master_key(path: Path) -> bytes:
    """Raises `MasterKeyError` where there is none."""
    try:
        return decode_master_key(path.read_text())
    except OSError as error:
        raise MasterKeyError(
            f"No master key at {path}: run `millrace init`, or set MILLRACE_PATIENTS_MASTER_KEYS."
        ) from error


def ensure_master_key(path: Path) -> None:
    """Make a key there unless there is one. Of several that try at once, one does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(os.urandom(DATA_KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link appears whole or not at all, and never over another.
        os.link(fresh, path)
    except FileExistsError:
        return
    finally:
        fresh.unlink()
