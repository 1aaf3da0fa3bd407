"""Stores second factors: the secret sealed with the person's key, recovery codes as MACs."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from millrace_patients.crypto.service_keys import compute_mac
from millrace_patients.person.vault import PersonKey
from millrace_patients.schema import recovery_code, second_factor
from millrace_patients.second_factor.model import (
    NOT_USED,
    RECOVERY_BYTES,
    RECOVERY_CODES,
    SECRET_BYTES,
    format_recovery_code,
    normalize_code,
)
from millrace_platform.database import ReadSession, Session

_LABEL = "second-factor"


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """An account's secret. It has no effect until the owner has confirmed it with a code."""

    account_id: UUID
    is_confirmed: bool
    last_used_step: int
    secret: bytes = field(repr=False)


class SecondFactors:
    """Reads and writes second factors. `key` is the HMAC key that hides recovery codes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def is_set_up(self, session: ReadSession, account_id: UUID) -> bool:
        """Return whether the account has a confirmed second factor."""
        query = select(second_factor.c.confirmed_at).where(second_factor.c.account_id == account_id)
        return await session.scalar(query) is not None

    async def find_for_update(self, session: Session, key: PersonKey) -> SecondFactor | None:
        """Return the person's second factor, confirmed or not, and lock its row."""
        query = select(second_factor).where(second_factor.c.account_id == key.owner).with_for_update()
        row = (await session.execute(query)).one_or_none()
        if row is None:
            return None
        secret = key.unseal(row.sealed_secret, _LABEL)
        return SecondFactor(key.owner, row.confirmed_at is not None, row.last_used_step, secret)

    async def create(self, session: Session, key: PersonKey) -> SecondFactor:
        """Create an unconfirmed second factor in place of an earlier one."""
        await self.remove(session, key.owner)
        created = SecondFactor(key.owner, False, NOT_USED, secrets.token_bytes(SECRET_BYTES))
        sealed = key.seal(created.secret, _LABEL)
        row = {"account_id": key.owner, "sealed_secret": sealed, "last_used_step": NOT_USED}
        await session.execute(insert(second_factor).values(row))
        return created

    async def confirm(self, session: Session, account_id: UUID, now: datetime) -> Sequence[str]:
        """Make the second factor effective and return its recovery codes."""
        own = update(second_factor).where(second_factor.c.account_id == account_id)
        await session.execute(own.values(confirmed_at=now))
        return await self.replace_recovery_codes(session, account_id)

    async def mark_used(self, session: Session, account_id: UUID, step: int) -> None:
        own = update(second_factor).where(second_factor.c.account_id == account_id)
        await session.execute(own.values(last_used_step=step))

    async def replace_recovery_codes(self, session: Session, account_id: UUID) -> Sequence[str]:
        """Create recovery codes in place of all earlier ones, and return them."""
        codes = [format_recovery_code(secrets.token_bytes(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
        await session.execute(delete(recovery_code).where(recovery_code.c.account_id == account_id))
        rows = [{"account_id": account_id, "hash": self._hash(account_id, code)} for code in codes]
        await session.execute(insert(recovery_code), rows)
        return codes

    async def redeem_recovery_code(self, session: Session, account_id: UUID, code: str) -> bool:
        """Delete a recovery code; return False if the account has no such code."""
        own = (recovery_code.c.account_id == account_id, recovery_code.c.hash == self._hash(account_id, code))
        statement = delete(recovery_code).where(*own).returning(recovery_code.c.hash)
        return (await session.execute(statement)).first() is not None

    async def remove(self, session: Session, account_id: UUID) -> None:
        """Delete the account's second factor and its recovery codes."""
        await session.execute(delete(recovery_code).where(recovery_code.c.account_id == account_id))
        await session.execute(delete(second_factor).where(second_factor.c.account_id == account_id))

    def _hash(self, account_id: UUID, code: str) -> bytes:
        return compute_mac(self._key, "recovery code", account_id.bytes, normalize_code(code))
