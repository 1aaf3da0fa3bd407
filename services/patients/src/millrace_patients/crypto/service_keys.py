"""Keys of the service itself, for what belongs to no person yet or must be found without one."""

import hashlib
import hmac
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from millrace_patients.crypto.kms import Kms
from millrace_patients.crypto.sealing import derive
from millrace_patients.crypto.tables import root_key
from millrace_platform.database import Database

CONTEXT = {"purpose": "patients-root"}


class NoRootKeyError(Exception):
    """`millrace init` hasn't run on this database."""


@dataclass(frozen=True, slots=True)
class ServiceKeys:
    """Each of 32 bytes, derived from one root key that is stored wrapped."""

    email_index: bytes = field(repr=False)
    """An e-mail address is found by its MAC under this key, so that the table gives none away."""
    audit: bytes = field(repr=False)
    mail: bytes = field(repr=False)
    signing: bytes = field(repr=False)
    throttle: bytes = field(repr=False)
    device: bytes = field(repr=False)

    @classmethod
    def of(cls, root: bytes) -> "ServiceKeys":
        return cls(**{name: derive(root, name) for name in cls.__slots__})

    def index_of(self, email: str) -> bytes:
        """The blind index of a normalized e-mail address."""
        return mac(self.email_index, email)


def mac(key: bytes, *parts: str | bytes) -> bytes:
    """HMAC-SHA256 over parts that can't run into each other."""
    digest = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.digest()


async def ensure_root_key(database: Database, kms: Kms) -> None:
    """Make the root key unless there is one."""
    async with database.transaction() as session:
        if await session.scalar(select(root_key.c.id)) is None:
            made = await kms.generate(CONTEXT)
            await session.execute(insert(root_key).values(id=1, wrapped=made.wrapped).on_conflict_do_nothing())


async def load_service_keys(database: Database, kms: Kms) -> ServiceKeys:
    """Raises `NoRootKeyError`, and `KeyRefusedError` where the master key is another one."""
    async with database.read() as session:
        wrapped = await session.scalar(select(root_key.c.wrapped))
    if wrapped is None:
        raise NoRootKeyError("The database has no root key: run `millrace init`.")
    return ServiceKeys.of(await kms.unwrap(wrapped, CONTEXT))
