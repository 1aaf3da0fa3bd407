"""Interface to a key management service, modeled on AWS KMS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

EncryptionContext: TypeAlias = Mapping[str, str]
"""Ids that are bound to a wrapped key: unwrapping requires the same ones. AWS KMS logs them in its own audit trail."""

DATA_KEY_BYTES = 32


class UnwrapError(Exception):
    """Raised by `Kms.unwrap` if a key was wrapped by another master key or for another context."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """New data key of 32 bytes: `plain` for use, and `wrapped` by the master key for storage."""

    plain: bytes = field(repr=False)
    wrapped: bytes


class Kms(Protocol):
    """Wraps data keys by a master key. Both methods may raise network errors."""

    async def generate(self, context: EncryptionContext) -> DataKey:
        """Return a new data key that is bound to the context."""
        ...

    async def unwrap(self, wrapped: bytes, context: EncryptionContext) -> bytes:
        """Return the plain key; raise `UnwrapError` for another master key or context."""
        ...
