"""Data keys of persons. Destroying a key (`shred`) makes all data sealed with it unreadable, in backups too."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from cachetools import TTLCache
from sqlalchemy import Select, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_feeds.clock import Clock
from millrace_patients.crypto.kms import EncryptionContext, Kms
from millrace_patients.crypto.sealing import seal, unseal
from millrace_patients.schema import person
from millrace_platform.database import ReadSession, Session

CACHE_SIZE = 1024
CACHE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class PersonKey:
    """Encrypts (seals) and decrypts (unseals) the data of one person."""

    owner: UUID
    plain: bytes = field(repr=False)

    def seal(self, data: bytes, label: str) -> bytes:
        """Encrypt bytes under a label that is unique among the person's items, e.g. `email`."""
        return seal(self.plain, data, f"{self.owner}/{label}")

    def unseal(self, sealed: bytes, label: str) -> bytes:
        """Return the plain bytes; raise `UnsealError` unless they were sealed under this label."""
        return unseal(self.plain, sealed, f"{self.owner}/{label}")


class Vault:
    """Stores data keys wrapped by the KMS, and caches some of them unwrapped for minutes."""

    def __init__(self, kms: Kms, clock: Clock) -> None:
        self._kms = kms
        self._unwrapped: TTLCache[bytes, bytes] = TTLCache(CACHE_SIZE, CACHE_SECONDS, timer=clock.monotonic)

    async def create(self, session: Session, owner: UUID, now: datetime) -> PersonKey | None:
        """Create a person and return its new data key; None if the id exists or was erased."""
        generated = await self._kms.generate(_context(owner))
        row = {"id": owner, "wrapped_key": generated.wrapped, "created_at": now}
        statement = insert(person).values(row).on_conflict_do_nothing().returning(person.c.id)
        is_new = (await session.execute(statement)).first() is not None
        return PersonKey(owner, generated.plain) if is_new else None

    async def find(self, session: ReadSession, owner: UUID) -> PersonKey | None:
        """Return the person's data key; None for an unknown or erased person."""
        return await self._unwrap(owner, await session.scalar(_select_wrapped_key(owner)))

    async def find_for_update(self, session: Session, owner: UUID) -> PersonKey | None:
        """Return the person's data key and lock its row, which serializes all writes for the person, erasure included.

        Return None for an unknown or erased person.
        """
        return await self._unwrap(owner, await session.scalar(_select_wrapped_key(owner).with_for_update()))

    async def lock(self, session: Session, owner: UUID) -> bool:
        """Lock the person's row as `find_for_update` does; return False for an unknown or erased person."""
        return await session.scalar(_select_wrapped_key(owner).with_for_update()) is not None

    async def shred(self, session: Session, owner: UUID, now: datetime) -> bool:
        """Destroy the data key after pending writes for the person; return False if there is none."""
        wrapped = await session.scalar(_select_wrapped_key(owner).with_for_update())
        if wrapped is None:
            return False
        await session.execute(update(person).where(person.c.id == owner).values(wrapped_key=None, erased_at=now))
        self._unwrapped.pop(wrapped, None)
        return True

    async def _unwrap(self, owner: UUID, wrapped: bytes | None) -> PersonKey | None:
        if wrapped is None:
            return None
        plain = self._unwrapped.get(wrapped)
        if plain is None:
            plain = self._unwrapped[wrapped] = await self._kms.unwrap(wrapped, _context(owner))
        return PersonKey(owner, plain)


def _context(owner: UUID) -> EncryptionContext:
    return {"purpose": "patients-person", "person": str(owner)}


def _select_wrapped_key(owner: UUID) -> Select[Any]:
    return select(person.c.wrapped_key).where(person.c.id == owner)
