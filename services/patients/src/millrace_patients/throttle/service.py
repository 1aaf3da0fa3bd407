"""Counts attempts, and delays further ones."""

import math
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, bindparam, case, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from millrace_feeds.clock import Clock
from millrace_patients.crypto.service_keys import compute_mac
from millrace_patients.schema import throttle
from millrace_patients.throttle.model import (
    DEVICE,
    EMAILS_OF_SOURCE,
    EMAILS_TO_ADDRESS,
    SOURCE,
    UNUSED_EMAILS,
    WINDOW,
    AttemptCount,
    account_policy,
)
from millrace_platform.database import Database, Session
from millrace_platform.errors import TooManyRequests

ROWS_LIMIT = EMAILS_OF_SOURCE.allowance + 64
"""Maximum number of rows that a count reads: no policy distinguishes larger numbers."""
_LOCK = text("SELECT pg_advisory_xact_lock(key) FROM unnest(:keys) AS key").bindparams(
    bindparam("keys", type_=ARRAY(BigInteger))
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Keys of the row that counts the failures of one source, or of one known device, at one account."""

    account: bytes
    source: bytes
    is_known_device: bool


class Throttle:
    """Counts attempts in the database, shared by all instances. `key` is the HMAC key that hides addresses.

    There is one row for each source that failed at an account. Attempts that are refused or succeed leave none.
    """

    def __init__(self, database: Database, key: bytes, clock: Clock) -> None:
        self._database = database
        self._key = key
        self._clock = clock

    def create_attempt(self, account: bytes, source: str, device: bytes | None) -> Attempt:
        """Return the keys of the count that an attempt increases.

        `account` is the email index of an address, which need not have an account; `device` is None for an unknown
        device.
        """
        if device is not None:
            return Attempt(self._mac("account of device", account), self._mac("device", device), is_known_device=True)
        return Attempt(self._mac("account", account), self._mac("source", source), is_known_device=False)

    async def count_attempt(self, attempt: Attempt) -> None:
        """Count the attempt; if it comes too early, raise a 429 problem and count nothing."""
        now = self._clock.time()
        async with self._database.transaction() as session:
            await _lock(session, attempt.account, attempt.source)
            wait = await _find_wait(session, attempt, now)
            if wait == 0:
                await _increment(session, attempt.account, attempt.source, now)
        if wait > 0:
            raise _too_many_attempts(wait)

    async def reset_after_success(self, session: Session, attempt: Attempt) -> None:
        """Forgive the failures of the source, or of the known device, at the account; keep all others."""
        own = (throttle.c.account == attempt.account, throttle.c.source == attempt.source)
        await session.execute(delete(throttle).where(*own))

    async def count_email(self, account: bytes, source: str) -> bool:
        """Count an email to an address; return False if the address has reached its limit.

        Problems: 429 if the source has reached its limit.
        """
        to, by = self._mac("mail", account), self._mac("mail by source", source)
        now = self._clock.time()
        async with self._database.transaction() as session:
            await _lock(session, to, by)
            unused = await _count(session, throttle.c.source == by, now)
            requested = await _count(session, throttle.c.source == by, now, with_successes=True)
            wait = max(UNUSED_EMAILS.wait(unused, now), EMAILS_OF_SOURCE.wait(requested, now))
            is_free = (await _count(session, throttle.c.account == to, now)).failures < EMAILS_TO_ADDRESS
            if wait == 0:
                # Requests beyond the limit of an address must not prolong it.
                await _increment(session, to if is_free else self._mac("mail beyond limit"), by, now)
        if wait > 0:
            raise _too_many_attempts(wait)
        return is_free

    async def forgive_emails(self, session: Session, account: bytes) -> None:
        """Count the emails to an address as successes, because the token of one was used."""
        to_address = update(throttle).where(throttle.c.account == self._mac("mail", account))
        await session.execute(to_address.values(successes=throttle.c.successes + throttle.c.failures, failures=0))

    async def delete_expired(self, session: Session) -> None:
        """Delete counts whose last attempt was more than `WINDOW` seconds ago."""
        await session.execute(delete(throttle).where(throttle.c.last_attempt_at < self._clock.time() - WINDOW))

    def _mac(self, kind: str, *parts: str | bytes) -> bytes:
        return compute_mac(self._key, kind, *parts)


async def _lock(session: Session, *keys: bytes) -> None:
    """Make concurrent calls with one of the keys wait until the transaction ends.

    The locks need no rows, and are taken in one order, so that concurrent calls cannot deadlock.
    """
    await session.execute(_LOCK, {"keys": sorted(int.from_bytes(key[:8], signed=True) for key in keys)})


async def _find_wait(session: Session, attempt: Attempt, now: float) -> float:
    is_own = (throttle.c.account == attempt.account) & (throttle.c.source == attempt.source)
    own = await _count(session, is_own, now)
    if attempt.is_known_device:
        return DEVICE.wait(own, now)
    anywhere = await _count(session, throttle.c.account == attempt.account, now)
    by_source = await _count(session, throttle.c.source == attempt.source, now)
    return max(account_policy(anywhere.failures).wait(own, now), SOURCE.wait(by_source, now))


async def _count(
    session: Session, condition: ColumnElement[bool], now: float, *, with_successes: bool = False
) -> AttemptCount:
    """Return the sum over those matching rows that are not older than `WINDOW`."""
    counted = throttle.c.failures + throttle.c.successes if with_successes else throttle.c.failures
    rows = select(counted.label("failures"), throttle.c.last_attempt_at)
    rows = rows.where(condition, throttle.c.last_attempt_at >= now - WINDOW, counted > 0)
    # Very many sources may attack one account.
    bounded = rows.order_by(throttle.c.last_attempt_at.desc()).limit(ROWS_LIMIT).subquery()
    total = select(
        func.coalesce(func.sum(bounded.c.failures), 0), func.coalesce(func.max(bounded.c.last_attempt_at), now)
    )
    failures, last_attempt_at = (await session.execute(total)).one()
    return AttemptCount(int(failures), last_attempt_at)


async def _increment(session: Session, account: bytes, source: bytes, now: float) -> None:
    is_old = throttle.c.last_attempt_at < now - WINDOW
    counted = insert(throttle).values(account=account, source=source, failures=1, successes=0, last_attempt_at=now)
    await session.execute(
        counted.on_conflict_do_update(
            index_elements=["account", "source"],
            set_={
                "failures": case((is_old, 1), else_=throttle.c.failures + 1),
                "successes": case((is_old, 0), else_=throttle.c.successes),
                "last_attempt_at": now,
            },
        )
    )


def _too_many_attempts(wait: float) -> TooManyRequests:
    return TooManyRequests(
        "Too many attempts. Retry after the number of seconds in `Retry-After`.", retry_after=math.ceil(wait)
    )
