"""Signing keys: created, stored and rotated by the service, or configured by the operator."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from sqlalchemy import delete, func, insert, select

from millrace_feeds.clock import Clock
from millrace_patients.crypto.sealing import seal, unseal
from millrace_patients.schema import signing_key
from millrace_patients.signing.model import KeyAge, RotationPolicy
from millrace_platform.database import Database, ReadSession, Session
from millrace_platform.jwks import MODULUS_BITS, PUBLIC_MEMBERS

LOCK_KEY = 0x6D696C6C_7369676E
"""Advisory lock ("millsign") that lets one instance at a time create a key."""
POLL_SECONDS = 60.0

_log = logging.getLogger("patients.signing")


class SigningKeysError(Exception):
    """Raised if the configured keys are unusable; the message says why without quoting them."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Private key with its id."""

    kid: str
    private: RSAKey = field(repr=False)

    def public(self) -> dict[str, Any]:
        """Return the public key as a JSON Web Key, a member of a key set."""
        members = self.private.as_dict(private=False)
        return {"kid": self.kid, "use": "sig", "alg": "RS256"} | {name: members[name] for name in PUBLIC_MEMBERS}


class KeyRing(Protocol):
    """Signing keys and the public keys to publish. `run` refreshes them until it is cancelled."""

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
    return SigningKey(str(entry.get("kid") or key.thumbprint()), key)


class DatabaseKeyRing:
    """Keys sealed in the database; each instance reloads them every minute, well within `RotationPolicy.ahead`."""

    def __init__(self, database: Database, key: bytes, rotation: RotationPolicy, clock: Clock) -> None:
        self._database = database
        self._key = key
        self._rotation = rotation
        self._clock = clock
        self._keys: dict[str, SigningKey] = {}
        self._ages: list[KeyAge] = []

    def signing_key(self) -> SigningKey:
        return self._keys[self._rotation.select_signer(self._ages, self._clock.time()).kid]

    def published(self) -> Sequence[SigningKey]:
        expired = {key.kid for key in self._rotation.expired_keys(self._ages, self._clock.time())}
        return [key for kid, key in self._keys.items() if kid not in expired]

    async def refresh(self) -> None:
        """Load the keys, create one if it is time, and delete expired ones. Call it before the first use."""
        async with self._database.transaction() as session:
            await session.execute(select(func.pg_advisory_xact_lock(LOCK_KEY)))
            ages = await _read_ages(session)
            now = self._clock.time()
            if self._rotation.is_due(ages, now):
                await self._create_key(session, now)
            expired = [key.kid for key in self._rotation.expired_keys(ages, now)]
            if expired:
                await session.execute(delete(signing_key).where(signing_key.c.kid.in_(expired)))
            keys, ages = await self._read_keys(session)
        self._keys, self._ages = keys, ages

    async def run(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.refresh()
            except Exception as error:
                # The loaded keys stay in use until the next attempt.
                _log.warning("refreshing the signing keys failed", extra={"reason": type(error).__name__})

    async def _create_key(self, session: Session, now: float) -> None:
        created = await asyncio.to_thread(RSAKey.generate_key, MODULUS_BITS)
        kid = created.thumbprint()
        sealed = seal(self._key, created.as_pem(private=True), _label(kid))
        await session.execute(insert(signing_key).values(kid=kid, sealed=sealed, created_at=now))
        _log.info("signing key created", extra={"kid": kid})

    async def _read_keys(self, session: ReadSession) -> tuple[dict[str, SigningKey], list[KeyAge]]:
        rows = (await session.execute(select(signing_key).order_by(signing_key.c.created_at))).all()
        keys = {row.kid: self._keys.get(row.kid) or self._open(row.kid, row.sealed) for row in rows}
        return keys, [KeyAge(row.kid, row.created_at) for row in rows]

    def _open(self, kid: str, sealed: bytes) -> SigningKey:
        return SigningKey(kid, RSAKey.import_key(unseal(self._key, sealed, _label(kid))))


async def _read_ages(session: ReadSession) -> list[KeyAge]:
    rows = await session.execute(select(signing_key.c.kid, signing_key.c.created_at))
    return [KeyAge(row.kid, row.created_at) for row in rows]


def _label(kid: str) -> str:
    return f"signing-key/{kid}"
