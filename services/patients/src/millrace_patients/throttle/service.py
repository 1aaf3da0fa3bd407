"""Counting attempts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, update
from sqlalchemy.dialects.postgresql import insert

from millrace_patients.crypto.service_keys import mac
from millrace_patients.throttle.model import DEVICE, MAIL, MAIL_SOURCE, SOURCE, WINDOW, Count, at_account, current
from millrace_patients.throttle.tables import throttle
from millrace_platform.clock import Clock
from millrace_platform.database import Database, Session
from millrace_platform.errors import TooManyRequests


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a password: what it is counted under. `device` is that of a device known at the account."""

    own: bytes
    """The source at the account, or the device: forgotten after a success."""
    source: bytes | None
    account: bytes | None

    @property
    def keys(self) -> list[bytes]:
        return [key for key in (self.own, self.source, self.account) if key is not None]


class Throttle:
    """Counts in the database, shared by all instances. `key` is the MAC's."""

    def __init__(self, database: Database, key: bytes, clock: Clock) -> None:
        self._database = database
        self._key = key
        self._clock = clock

    def attempt(self, account: bytes, source: str, device: bytes | None) -> Attempt:
        """`account` is the index of the e-mail address, whether it has an account or not."""
        if device is not None:
            return Attempt(self._of("device", account, device), None, None)
        return Attempt(
            self._of("source at account", account, source), self._of("source", source), self._of("account", account)
        )

    async def begin(self, attempt: Attempt) -> None:
        """Count the attempt. A 429 problem, and nothing counted, where it comes too early."""
        now = self._clock.time()
        async with self._database.transaction() as session:
            counts = await _locked(session, attempt.keys, now)
            wait = _wait(attempt, counts, now)
            if wait == 0:
                await _count(session, attempt.keys, now)
        if wait > 0:
            raise _too_early(wait)

    async def succeeded(self, session: Session, attempt: Attempt) -> None:
        """Give the attempt back: the source's own failures at the account are forgotten, all other ones stay."""
        await session.execute(delete(throttle).where(throttle.c.key == attempt.own))
        others = [key for key in (attempt.source, attempt.account) if key is not None]
        for key in sorted(others):
            await session.execute(
                update(throttle).where(throttle.c.key == key).values(failures=func.greatest(throttle.c.failures - 1, 0))
            )

    async def may_mail(self, account: bytes, source: str) -> bool:
        """Count a mail to an address; False where it had enough of them. A 429 problem where the source had."""
        to, by = self._of("mail", account), self._of("mail by source", source)
        now = self._clock.time()
        async with self._database.transaction() as session:
            counts = await _locked(session, [to, by], now)
            wait = MAIL_SOURCE.wait(counts[by], now)
            free = MAIL.wait(counts[to], now) == 0
            if wait == 0:
                await _count(session, [to, by] if free else [by], now)
        if wait > 0:
            raise _too_early(wait)
        return free

    async def forget_old(self, session: Session) -> None:
        """Remove counts that no longer count."""
        await session.execute(delete(throttle).where(throttle.c.last < self._clock.time() - WINDOW))

    def _of(self, kind: str, *parts: str | bytes) -> bytes:
        return mac(self._key, kind, *parts)


def _wait(attempt: Attempt, counts: Mapping[bytes, Count], now: float) -> float:
    own = counts[attempt.own]
    if attempt.source is None or attempt.account is None:
        return DEVICE.wait(own, now)
    return max(at_account(counts[attempt.account]).wait(own, now), SOURCE.wait(counts[attempt.source], now))


async def _locked(session: Session, keys: Sequence[bytes], now: float) -> dict[bytes, Count]:
    """The counts, locked in one order by all, so that nobody waits in a circle."""
    found: dict[bytes, Count] = {}
    for key in sorted(keys):
        fresh = insert(throttle).values(key=key, failures=0, last=now)
        # An update that changes nothing locks the row and returns it.
        statement = fresh.on_conflict_do_update(index_elements=["key"], set_={"last": throttle.c.last})
        row = (await session.execute(statement.returning(throttle.c.failures, throttle.c.last))).one()
        found[key] = current(Count(row.failures, row.last), now)
        if found[key].failures < row.failures:
            await session.execute(update(throttle).where(throttle.c.key == key).values(failures=0, last=now))
    return found


async def _count(session: Session, keys: Sequence[bytes], now: float) -> None:
    for key in sorted(keys):
        counted = update(throttle).where(throttle.c.key == key)
        await session.execute(counted.values(failures=throttle.c.failures + 1, last=now))


def _too_early(wait: float) -> TooManyRequests:
    return TooManyRequests("Wait, then try again.", retry_after=math.ceil(wait))
