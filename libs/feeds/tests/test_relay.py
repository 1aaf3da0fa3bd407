"""The relay on a real PostgreSQL; the stream is in memory, so that it can be made to fail."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import pytest

from millrace_contracts.envelope import Envelope, decode
from millrace_feeds.errors import RecordTooLarge, Unavailable
from millrace_feeds.forwarder import AWAY
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.outbox import NOTIFY_STATEMENT, OUTBOX_COLUMNS, OUTBOX_DDL, OUTBOX_INSERT, outbox_record
from millrace_feeds.publisher import Publisher
from millrace_feeds.relay import Relay
from millrace_feeds.settings import Backoff, PublisherSettings, RelaySettings
from millrace_feeds.transport import Outgoing

from .waiting import until, until_async

STREAM = "changes"
QUICK = RelaySettings(poll_interval=0.2, standby_interval=0.05, backoff=Backoff(0.02, 2, 0.2))
ONLY_WOKEN = RelaySettings(poll_interval=3600.0, standby_interval=0.05)

Connection = Any  # asyncpg ships no types


def envelope(key: str, version: int, data: bytes = b"{}") -> Envelope:
    return Envelope(
        id=f"{key}-{version}",
        source="/services/directory",
        type="millrace.practice.updated",
        subject=key,
        time="2026-01-01T00:00:00Z",
        dataschema="urn:millrace:practice:1",
        partitionkey=key,
        entityversion=version,
        data=msgspec.Raw(data),
    )


END_THE_ACTIVE = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Stream(MemoryTransport):
    """A stream that can hold its answers back."""

    def __init__(self) -> None:
        super().__init__()
        self.create_stream(STREAM)
        self.answers = asyncio.Event()
        self.answers.set()

    async def put_records(self, stream: str, records: Sequence[Outgoing]) -> Sequence[str | None]:
        outcomes = await super().put_records(stream, records)
        await self.answers.wait()
        return outcomes

    @property
    def written(self) -> list[tuple[str, int]]:
        envelopes = [decode(record.body) for record in self.records(STREAM, "shardId-000000000000")]
        return [(envelope.subject, envelope.entityversion) for envelope in envelopes]


def relay_of(dsn: str, stream: MemoryTransport, settings: RelaySettings = QUICK) -> Relay:
    publisher = Publisher(transport=stream, stream=STREAM, settings=PublisherSettings(batches_in_flight=3))
    return Relay(database_url=dsn, publisher=publisher, settings=settings)


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[Relay]:
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute(OUTBOX_DDL)
    yield connection
    await connection.close()


async def write(connection: Connection, *envelopes: Envelope) -> None:
    async with connection.transaction():
        await connection.executemany(OUTBOX_INSERT, [outbox_record(each) for each in envelopes])
        await connection.execute(NOTIFY_STATEMENT)


async def rows_left(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM outbox"))


async def emptied(connection: Connection) -> None:
    async def empty() -> bool:
        return await rows_left(connection) == 0

    await until_async(empty)


async def test_rows_are_published_and_leave(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    await write(database, envelope("practice/a", 1), envelope("practice/b", 1), envelope("practice/a", 2))
    async with running(relay_of(postgres_dsn, stream)) as relay:
        await emptied(database)
        await until(lambda: relay.status().published == 3)
    assert stream.written == [("practice/a", 1), ("practice/b", 1), ("practice/a", 2)]


async def test_a_notification_wakes_the_relay(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    async with running(relay_of(postgres_dsn, stream, ONLY_WOKEN)) as relay:
        await until(lambda: relay.status().active)
        for version in range(1, 6):
            await write(database, envelope("practice/a", version))
            await until(lambda version=version: len(stream.written) == version)  # type: ignore[misc]


class Away(Stream):
    """A stream that can be away. `asked` has the number of rows of each request."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = True
        self.asked: list[int] = []

    async def put_records(self, stream: str, records: Sequence[Outgoing]) -> Sequence[str | None]:
        self.asked.append(len(records))
        if self.is_away:
            raise Unavailable("away")
        return await super().put_records(stream, records)


async def test_a_stream_that_is_away_is_asked_with_single_rows(database: Connection, postgres_dsn: str) -> None:
    """Whole requests are as much work for the process as if they were taken."""
    stream = Away()
    await write(database, *(envelope(f"practice/{number}", 1) for number in range(2_000)))
    async with running(relay_of(postgres_dsn, stream)) as relay:
        most_at_once = 3
        await until(lambda: len(stream.asked) > 2 * (AWAY + most_at_once))
        assert set(stream.asked[AWAY + most_at_once :]) == {1}
        assert relay.status().failing == "away"
        stream.is_away = False
        await emptied(database)
    assert len(stream.written) == 2_000


async def test_without_a_notification_the_poll_finds_rows(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    async with running(relay_of(postgres_dsn, stream)) as relay:
        await until(lambda: relay.status().active)
        await database.copy_records_to_table(
            "outbox", records=[outbox_record(envelope("practice/a", 1))], columns=list(OUTBOX_COLUMNS)
        )
        await emptied(database)
    assert stream.written == [("practice/a", 1)]


async def test_a_transaction_that_commits_late_is_not_lost(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    late = await asyncpg.connect(postgres_dsn)
    transaction = late.transaction()
    await transaction.start()
    await late.execute(OUTBOX_INSERT, *outbox_record(envelope("practice/late", 1)))
    async with running(relay_of(postgres_dsn, stream)):
        await write(database, envelope("practice/early", 1))
        await emptied(database)
        await transaction.commit()
        await until(lambda: len(stream.written) == 2)
        await emptied(database)
    await late.close()
    assert stream.written == [("practice/early", 1), ("practice/late", 1)]


async def test_killed_between_acknowledgement_and_removal_rows_are_sent_again(
    database: Connection, postgres_dsn: str
) -> None:
    stream = Stream()
    stream.answers.clear()
    await write(database, envelope("practice/a", 1), envelope("practice/a", 2))
    async with running(relay_of(postgres_dsn, stream)):
        await until(lambda: len(stream.written) == 2)
    assert await rows_left(database) == 2
    stream.answers.set()
    async with running(relay_of(postgres_dsn, stream)):
        await emptied(database)
    assert stream.written == [("practice/a", 1), ("practice/a", 2)] * 2


async def test_of_two_relays_one_is_active_until_it_goes(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    async with running(relay_of(postgres_dsn, stream)) as first:
        await until(lambda: first.status().active)
        async with running(relay_of(postgres_dsn, stream)) as second:
            await until(lambda: second.healthy)
            await write(database, envelope("practice/a", 1))
            await emptied(database)
            assert not second.status().active
            await database.execute(END_THE_ACTIVE)
            await write(database, envelope("practice/a", 2))
            await emptied(database)
            await until(lambda: first.status().active != second.status().active)
    assert stream.written == [("practice/a", 1), ("practice/a", 2)]


async def test_a_stream_that_vanishes_is_waited_for(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    stream.delete_stream(STREAM)
    await write(database, envelope("practice/a", 1), envelope("practice/b", 1))
    async with running(relay_of(postgres_dsn, stream)) as relay:
        await until(lambda: relay.status().failing is not None)
        assert not relay.healthy
        stream.create_stream(STREAM)
        await emptied(database)
        await until(lambda: relay.healthy)
    assert stream.written == [("practice/a", 1), ("practice/b", 1)]


async def test_an_outbox_that_is_not_there_yet_is_waited_for(postgres_dsn: str) -> None:
    stream = Stream()
    async with running(relay_of(postgres_dsn, stream)):
        connection = await asyncpg.connect(postgres_dsn)
        await connection.execute(OUTBOX_DDL)
        await write(connection, envelope("practice/a", 1))
        await emptied(connection)
        await connection.close()


async def test_many_rows_of_many_keys_keep_each_keys_order(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    rows = [envelope(f"practice/{n % 700}", 1 + n // 700) for n in range(7_000)]
    await database.copy_records_to_table(
        "outbox", records=[outbox_record(row) for row in rows], columns=list(OUTBOX_COLUMNS)
    )
    async with running(relay_of(postgres_dsn, stream)):
        await emptied(database)
    assert len(stream.written) == 7_000
    versions: dict[str, list[int]] = {}
    for key, version in stream.written:
        versions.setdefault(key, []).append(version)
    assert all(found == list(range(1, 11)) for found in versions.values())


def test_an_event_that_no_stream_takes_fails_the_change() -> None:
    with pytest.raises(RecordTooLarge, match="practice/a"):
        outbox_record(envelope("practice/a", 1, b'"' + b"x" * 1_100_000 + b'"'))
