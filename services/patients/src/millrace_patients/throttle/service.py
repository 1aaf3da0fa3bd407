"""Counts attempts, and delays further ones."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, update
from sqlalchemy.dialects.postgresql import insert

from millrace_feeds.clock import Clock
from millrace_patients.crypto.service_keys import compute_mac
from millrace_patients.schema import throttle
from millrace_patients.throttle.model import (
    DEVICE,
    EMAIL,
    EMAIL_SOURCE,
    SOURCE,
    WINDOW,
    AttemptCount,
    account_policy,
    discard_if_old,
)
from millrace_platform.database import Database, Session
from millrace_platform.errors import TooManyRequests


@dataclass(frozen=True, slots=True)
class Attempt:
    """Keys of the counts that one password attempt increases. `source` and `account` are None for a known device."""

    own: bytes
    """Key of the source at the account, or of the known device; its count is reset after a success."""
    source: bytes | None
    account: bytes | None

    @property
    def keys(self) -> list[bytes]:
        return [key for key in (self.own, self.source, self.account) if key is not None]


class Throttle:
    """Counts attempts in the database, shared by all instances. `key` is the HMAC key that hides addresses."""

    def __init__(self, database: Database, key: bytes, clock: Clock) -> None:
        self._database = database
        self._key = key
        self._clock = clock

    def create_attempt(self, account: bytes, source: str, device: bytes | None) -> Attempt:
        """Return the keys of the counts that an attempt increases.

        `account` is the email index of an address, which need not have an account; `device` is None for an unknown
        device.
        """
        if device is not None:
            return Attempt(self._mac("device", account, device), None, None)
        return Attempt(
            self._mac("source at account", account, source), self._mac("source", source), self._mac("account", account)
        )

    async def count_attempt(self, attempt: Attempt) -> None:
        """Count the attempt; if it comes too early, raise a 429 problem and count nothing."""
        now = self._clock.time()
        async with self._database.transaction() as session:
            counts = await _lock_counts(session, attempt.keys, now)
            wait = _wait(attempt, counts, now)
            if wait == 0:
                await _increment(session, attempt.keys, now)
        if wait > 0:
            raise _too_many_attempts(wait)

    async def reset_after_success(self, session: Session, attempt: Attempt) -> None:
        """Subtract a successful attempt: reset the source's or device's count at the account, keep other failures."""
        await session.execute(delete(throttle).where(throttle.c.key == attempt.own))
        others = [key for key in (attempt.source, attempt.account) if key is not None]
        for key in sorted(others):
            await session.execute(
                update(throttle).where(throttle.c.key == key).values(failures=func.greatest(throttle.c.failures - 1, 0))
            )

    async def count_email(self, account: bytes, source: str) -> bool:
        """Count an email to an address; return False if the address has reached its limit.

        Problems: 429 if the source has reached its limit.
        """
        to, by = self._mac("mail", account), self._mac("mail by source", source)
        now = self._clock.time()
        async with self._database.transaction() as session:
            counts = await _lock_counts(session, [to, by], now)
            wait = EMAIL_SOURCE.wait(counts[by], now)
            free = EMAIL.wait(counts[to], now) == 0
            if wait == 0:
                await _increment(session, [to, by] if free else [by], now)
        if wait > 0:
            raise _too_many_attempts(wait)
        return free

    async def delete_expired(self, session: Session) -> None:
        """Delete counts whose last attempt was more than `WINDOW` seconds ago."""
        await session.execute(delete(throttle).where(throttle.c.last_attempt_at < self._clock.time() - WINDOW))

    def _mac(self, kind: str, *parts: str | bytes) -> bytes:
        return compute_mac(self._key, kind, *parts)


def _wait(attempt: Attempt, counts: Mapping[bytes, AttemptCount], now: float) -> float:
    own = counts[attempt.own]
    if attempt.source is None or attempt.account is None:
        return DEVICE.wait(own, now)
    return max(account_policy(counts[attempt.account]).wait(own, now), SOURCE.wait(counts[attempt.source], now))


async def _lock_counts(session: Session, keys: Sequence[bytes], now: float) -> dict[bytes, AttemptCount]:
    """Return the counts and lock their rows in one order, so that concurrent calls cannot deadlock."""
    found: dict[bytes, AttemptCount] = {}
    for key in sorted(keys):
        fresh = insert(throttle).values(key=key, failures=0, last_attempt_at=now)
        # The update changes nothing, but locks and returns the row.
        statement = fresh.on_conflict_do_update(
            index_elements=["key"], set_={"last_attempt_at": throttle.c.last_attempt_at}
        )
        row = (await session.execute(statement.returning(throttle.c.failures, throttle.c.last_attempt_at))).one()
        found[key] = discard_if_old(AttemptCount(row.failures, row.last_attempt_at), now)
        if found[key].failures < row.failures:
            await session.execute(update(throttle).where(throttle.c.key == key).values(failures=0, last_attempt_at=now))
    return found


async def _increment(session: Session, keys: Sequence[bytes], now: float) -> None:
    for key in sorted(keys):
        counted = update(throttle).where(throttle.c.key == key)
        await session.execute(counted.values(failures=throttle.c.failures + 1, last_attempt_at=now))


def _too_many_attempts(wait: float) -> TooManyRequests:
    return TooManyRequests(
        "Too many attempts. Retry after the number of seconds in `Retry-After`.", retry_after=math.ceil(wait)
    )
