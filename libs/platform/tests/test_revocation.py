"""Access tokens that were issued before their account's tokens became invalid are refused."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from millrace_contracts.entities import Account, Practice
from millrace_contracts.envelope import encode
from millrace_contracts.registry import ACCOUNT, PRACTICE
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.transport import Record
from millrace_platform.authentication import Principal, RevokedTokenError, Role
from millrace_platform.database import Database, open_database
from millrace_platform.ids import Uuid7
from millrace_platform.revocation import (
    RETENTION,
    REVOCATION_DDL,
    RevocationHandler,
    Revocations,
    RevocationVerifier,
)
from millrace_platform.testing import START, ManualClock
from millrace_platform.unit_of_work import Envelopes, Event

ADA, BOB = UUID(int=1), UUID(int=2)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[Database]:
    async with open_database(postgres_dsn, name="test", pool_size=2, seconds=5) as database:
        async with database.transaction() as session:
            await session.driver.execute(REVOCATION_DDL)
        yield database


def record_of(clock: ManualClock, subject: UUID, valid_from: str | None, *, version: int = 1) -> Record:
    account = Account(id=str(subject), state="active", tokens_valid_from=valid_from)
    return to_record(clock, Event.of_entity(ACCOUNT, account, action="updated", version=version))


def to_record(clock: ManualClock, event: Event) -> Record:
    (envelope,) = Envelopes("/services/refinery", clock, Uuid7(clock)).of([event])
    return Record("entities", "shard", "1", envelope.partitionkey, encode(envelope), clock.now)


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(START + seconds, UTC).isoformat()


def token_of(subject: UUID, issued: float) -> Principal:
    issued_at = START + issued
    return Principal(subject, frozenset({Role.ADMIN}), frozenset(), issued_at, issued_at + 900, issued_at)


class FakeVerifier:
    """Returns one caller for every token."""

    def __init__(self, caller: Principal) -> None:
        self._caller = caller

    async def verify(self, _token: str) -> Principal:
        return self._caller


async def count_rows(database: Database) -> int:
    async with database.transaction() as session:
        return int((await session.execute(text("SELECT count(*) FROM token_revocation"))).scalar_one())


async def test_token_from_before_is_refused_in_every_process(database: Database, clock: ManualClock) -> None:
    processes = [Revocations(database, clock), Revocations(database, clock)]
    await RevocationHandler(database, clock).handle([record_of(clock, ADA, moment(-10))])
    for revocations in processes:
        await revocations.refresh()
        with pytest.raises(RevokedTokenError):
            await RevocationVerifier(FakeVerifier(token_of(ADA, -10.5)), revocations).verify("")
        for valid in (token_of(ADA, -10), token_of(BOB, -500)):
            assert await RevocationVerifier(FakeVerifier(valid), revocations).verify("") == valid


async def test_newest_revocation_counts_in_any_order_of_arrival(database: Database, clock: ManualClock) -> None:
    revocations, handler = Revocations(database, clock), RevocationHandler(database, clock)
    await handler.handle([record_of(clock, ADA, moment(-20), version=2), record_of(clock, ADA, moment(-30))])
    await revocations.refresh()
    assert revocations.is_revoked(token_of(ADA, -25))
    await handler.handle([record_of(clock, ADA, moment(-10), version=3)])
    await handler.handle([record_of(clock, ADA, moment(-30))])
    await revocations.refresh()
    assert revocations.is_revoked(token_of(ADA, -15))
    assert not revocations.is_revoked(token_of(ADA, -5))


async def test_only_what_can_concern_a_valid_token_is_retained(database: Database, clock: ManualClock) -> None:
    revocations, handler = Revocations(database, clock), RevocationHandler(database, clock)
    await handler.handle([record_of(clock, ADA, moment(-RETENTION.total_seconds() - 1)), record_of(clock, BOB, None)])
    assert await count_rows(database) == 0
    await handler.handle([record_of(clock, ADA, moment(0))])
    await revocations.refresh()
    clock.now += (RETENTION + timedelta(seconds=1)).total_seconds()
    await revocations.delete_expired()
    assert await count_rows(database) == 0
    assert not revocations.is_revoked(token_of(ADA, -1))


@pytest.mark.parametrize("invalid", ["yesterday", "2027-01-15T08:00:00"])
async def test_record_with_an_invalid_time_becomes_a_dead_letter(
    database: Database, clock: ManualClock, invalid: str
) -> None:
    with pytest.raises(InvalidRecord):
        await RevocationHandler(database, clock).handle([record_of(clock, ADA, invalid)])


async def test_other_entities_are_ignored(database: Database, clock: ManualClock) -> None:
    practice = Event.of_entity(PRACTICE, Practice(id=str(ADA), name="Lakeside"), action="created", version=1)
    await RevocationHandler(database, clock).handle([to_record(clock, practice)])
    assert await count_rows(database) == 0
