"""Keys of the service itself, for data that belongs to no person yet or must be found without a person's key."""

import hashlib
import hmac
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from millrace_patients.crypto.kms import Kms
from millrace_patients.crypto.sealing import derive_key
from millrace_patients.schema import root_key
from millrace_platform.database import Database

CONTEXT = {"purpose": "patients-root"}


class NoRootKeyError(Exception):
    """Raised if the database has no root key, because `millrace init` has not run."""


@dataclass(frozen=True, slots=True)
class ServiceKeys:
    """Keys of 32 bytes each, derived from one root key that is stored wrapped.

    The field names are part of the derivation: renaming a field changes its key.
    """

    email_index: bytes = field(repr=False)
    """Key of the email index, a MAC that finds an account by its address without storing the address in plain text."""
    audit: bytes = field(repr=False)
    mail: bytes = field(repr=False)
    signing: bytes = field(repr=False)
    throttle: bytes = field(repr=False)
    device: bytes = field(repr=False)
    second_factor: bytes = field(repr=False)

    @classmethod
    def from_root(cls, root: bytes) -> "ServiceKeys":
        return cls(**{name: derive_key(root, name) for name in cls.__slots__})

    def index_email(self, email: str) -> bytes:
        """Return the email index of a normalized address: a MAC, from which the address cannot be computed."""
        return compute_mac(self.email_index, email)


def compute_mac(key: bytes, *parts: str | bytes) -> bytes:
    """Return the HMAC-SHA256 over length-prefixed parts, so that different parts never give the same input."""
    digest = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.digest()


async def ensure_root_key(database: Database, kms: Kms) -> None:
    """Create and store the root key unless one exists."""
    async with database.transaction() as session:
        if await session.scalar(select(root_key.c.id)) is None:
            generated = await kms.generate(CONTEXT)
            await session.execute(insert(root_key).values(id=1, wrapped=generated.wrapped).on_conflict_do_nothing())


async def load_service_keys(database: Database, kms: Kms) -> ServiceKeys:
    """Return the service's keys; raise `NoRootKeyError` or, if the master key is another one, `UnwrapError`."""
    async with database.read() as session:
        wrapped = await session.scalar(select(root_key.c.wrapped))
    if wrapped is None:
        raise NoRootKeyError("The database has no root key: run `millrace init`.")
    return ServiceKeys.from_root(await kms.unwrap(wrapped, CONTEXT))
