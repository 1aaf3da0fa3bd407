"""A unit of work commits a change together with its events."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from millrace_contracts.entities import Practice
from millrace_contracts.envelope import Envelope, decode
from millrace_contracts.registry import PRACTICE, decode_entity
from millrace_feeds.outbox import NOTIFY_CHANNEL, OUTBOX_DDL
from millrace_platform.database import open_database
from millrace_platform.ids import Uuid7
from millrace_platform.testing import ManualClock
from millrace_platform.unit_of_work import Envelopes, Event, UnitsOfWork

BEGINNING = 1_795_000_000.25


@pytest.fixture
async def units(postgres_dsn: str) -> AsyncIterator[UnitsOfWork]:
    clock = ManualClock(BEGINNING)
    async with open_database(postgres_dsn, name="test", pool_size=2, seconds=5) as database:
        async with database.transaction() as session:
            await session.driver.execute(OUTBOX_DDL)
        yield UnitsOfWork(database, Envelopes("/services/directory", clock, Uuid7(clock)))


@pytest.fixture
async def observer(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


async def outbox(connection: asyncpg.Connection) -> list[Envelope]:
    return [decode(row["body"]) for row in await connection.fetch("SELECT body FROM outbox ORDER BY seq")]


PRACTICE_1 = Practice(id="p-1", name="Downtown Dental")


async def test_events_are_committed_in_order(units: UnitsOfWork, observer: asyncpg.Connection) -> None:
    async with units.begin() as work:
        work.record(Event.of_entity(PRACTICE, PRACTICE_1, action="created", version=1))
        work.record(Event.of_deletion(PRACTICE, "p-1", version=2))
        assert await outbox(observer) == []
    created, deleted = await outbox(observer)
    assert created.type == "millrace.practice.created"
    assert created.subject == created.partitionkey == "practice/p-1"
    assert created.source == "/services/directory"
    assert created.time == "2026-11-18T11:06:40.250Z"
    assert created.dataschema == "urn:millrace:practice:1"
    assert (created.entityversion, deleted.entityversion) == (1, 2)
    assert decode_entity(created) == PRACTICE_1
    assert deleted.type == "millrace.practice.deleted"
    assert deleted.is_deletion
    assert created.id < deleted.id


async def test_failed_unit_of_work_publishes_nothing(units: UnitsOfWork, observer: asyncpg.Connection) -> None:
    with pytest.raises(LookupError):
        async with units.begin() as work:
            work.record(Event.of_entity(PRACTICE, PRACTICE_1, action="created", version=1))
            raise LookupError
    assert await outbox(observer) == []


async def test_commit_notifies_relay(units: UnitsOfWork, observer: asyncpg.Connection) -> None:
    woken = asyncio.Event()
    await observer.add_listener(NOTIFY_CHANNEL, lambda *_: woken.set())
    async with units.begin() as work:
        work.record(Event.of_entity(PRACTICE, PRACTICE_1, action="updated", version=2))
    async with asyncio.timeout(5):
        await woken.wait()


def test_replayed_events_are_marked() -> None:
    clock = ManualClock(BEGINNING)
    envelopes = Envelopes("/services/directory", clock, Uuid7(clock))
    (envelope,) = envelopes.of([Event.of_entity(PRACTICE, PRACTICE_1, action="updated", version=7)], replay=True)
    assert envelope.replay
    assert envelope.traceparent is None
