"""Where data keys come from, as AWS KMS has it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

Context: TypeAlias = Mapping[str, str]
"""What a data key is for. It is bound to the wrapped key and shown in the audit trail of KMS: ids only."""

DATA_KEY_BYTES = 32


class KeyRefusedError(Exception):
    """The wrapped key isn't one of this master key's, or not for this context."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A new key: `plain` to use (32 bytes), `wrapped` to store."""

    plain: bytes = field(repr=False)
    wrapped: bytes


class Kms(Protocol):
    """Wraps data keys by a master key. Both methods may raise what the network raises."""

    async def generate(self, context: Context) -> DataKey:
        """A fresh data key, bound to the context."""
        ...

    async def unwrap(self, wrapped: bytes, context: Context) -> bytes:
        """The plain key. Raises `KeyRefusedError`."""
        ...
