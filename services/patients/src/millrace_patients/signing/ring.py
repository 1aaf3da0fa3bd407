"""Signing keys: created, stored and rotated by the service, or configured by the operator."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from sqlalchemy import Row, delete, func, insert, select

from millrace_feeds.clock import Clock
from millrace_patients.crypto.sealing import seal, unseal
from millrace_patients.schema import signing_key
from millrace_patients.signing.model import KeyAge, RotationPolicy
from millrace_platform.database import Database, ReadSession, Session
from millrace_platform.jwks import MODULUS_BITS, PUBLIC_MEMBERS

LOCK_KEY = 0x6D696C6C_7369676E
"""Advisory lock ("millsign") that lets one instance at a time create a key."""
POLL_SECONDS = 60.0
GENERATED_BITS = 3072
"""Size of generated keys: 128 bits of security (NIST SP 800-57). Configured ones may have `MODULUS_BITS`."""

_log = logging.getLogger("patients.signing")


class SigningKeysError(Exception):
    """Raised if the configured keys are unusable; the message says why without quoting them."""


@dataclass(frozen=True, slots=True)
class SigningKey(KeyAge):
    """Private key with its id and creation time, which is 0 for a configured key."""

    private: RSAKey = field(repr=False, compare=False)

    def public(self) -> dict[str, Any]:
        """Return the public key as a JSON Web Key, a member of a key set."""
        members = self.private.as_dict(private=False)
        return {"kid": self.kid, "use": "sig", "alg": "RS256"} | {name: members[name] for name in PUBLIC_MEMBERS}


class KeyRing(Protocol):
    """Keys of access tokens: the one that signs now, and all whose public parts are published to verifiers.

    `run` refreshes them until it is cancelled.
    """

    def signing_key(self) -> SigningKey: ...

    def published(self) -> Sequence[SigningKey]: ...

    async def run(self) -> None: ...


class ConfiguredKeyRing:
    """Keys configured by the operator: the first signs, all are published.

    To rotate, append a new key, later move it to the front, finally remove the old one.
    """

    def __init__(self, key_set: str) -> None:
        """Parse a JSON Web Key Set of private RSA keys; raise `SigningKeysError`."""
        try:
            self._keys = [_parse_key(entry) for entry in msgspec.json.decode(key_set)["keys"]]
        except (JoseError, ValueError, KeyError, TypeError, msgspec.DecodeError) as error:
            raise SigningKeysError("not a JSON Web Key Set of private RSA keys") from error
        if not self._keys:
            raise SigningKeysError("the JSON Web Key Set is empty")

    def signing_key(self) -> SigningKey:
        return self._keys[0]

    def published(self) -> Sequence[SigningKey]:
        return self._keys

    async def run(self) -> None:
        await asyncio.Event().wait()


def _parse_key(entry: dict[str, Any]) -> SigningKey:
    key = RSAKey.import_key(entry)
    if not key.is_private or key.raw_value.key_size < MODULUS_BITS:
        raise ValueError("not a private key, or too short")
    return SigningKey(str(entry.get("kid") or key.thumbprint()), 0.0, key)


class DatabaseKeyRing:
    """Keys encrypted in the database. Each instance reloads them every minute: a new key signs only later."""

    def __init__(self, database: Database, key: bytes, rotation: RotationPolicy, clock: Clock) -> None:
        self._database = database
        self._key = key
        self._rotation = rotation
        self._clock = clock
        self._keys: list[SigningKey] = []

    def signing_key(self) -> SigningKey:
        return self._rotation.select_signer(self._keys, self._clock.time())

    def published(self) -> Sequence[SigningKey]:
        expired = set(self._rotation.expired_keys(self._keys, self._clock.time()))
        return [key for key in self._keys if key not in expired]

    async def refresh(self) -> None:
        """Load the keys, create one if it is time, and delete expired ones. Call it before the first use."""
        async with self._database.transaction() as session:
            await session.execute(select(func.pg_advisory_xact_lock(LOCK_KEY)))
            keys = await self._read_keys(session)
            now = self._clock.time()
            if self._rotation.is_due(keys, now):
                await self._create_key(session, now)
            expired = [key.kid for key in self._rotation.expired_keys(keys, now)]
            if expired:
                await session.execute(delete(signing_key).where(signing_key.c.kid.in_(expired)))
            keys = await self._read_keys(session)
        self._keys = keys

    async def run(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.refresh()
            except Exception as error:
                # The loaded keys stay in use until the next attempt.
                _log.warning("refreshing the signing keys failed", extra={"reason": type(error).__name__})

    async def _create_key(self, session: Session, now: float) -> None:
        created = await asyncio.to_thread(RSAKey.generate_key, GENERATED_BITS)
        kid = created.thumbprint()
        sealed = seal(self._key, created.as_pem(private=True), _label(kid))
        await session.execute(insert(signing_key).values(kid=kid, sealed=sealed, created_at=now))
        _log.info("signing key created", extra={"kid": kid})

    async def _read_keys(self, session: ReadSession) -> list[SigningKey]:
        loaded = {key.kid: key for key in self._keys}
        rows = await session.execute(select(signing_key).order_by(signing_key.c.created_at))
        return [loaded.get(row.kid) or self._open(row) for row in rows]

    def _open(self, row: Row[*tuple[Any, ...]]) -> SigningKey:
        private = RSAKey.import_key(unseal(self._key, row.sealed, _label(row.kid)))
        return SigningKey(row.kid, row.created_at, private)


def _label(kid: str) -> str:
    return f"signing-key/{kid}"
