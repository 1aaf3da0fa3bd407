"""The relay with a real PostgreSQL and an in-memory stream that can fail."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from millrace_contracts.envelope import Envelope, decode
from millrace_feeds.backoff import Backoff
from millrace_feeds.errors import RecordTooLarge, Unavailable
from millrace_feeds.forwarder import FAILURES_UNTIL_UNAVAILABLE
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.outbox import NOTIFY_STATEMENT, OUTBOX_COLUMNS, OUTBOX_DDL, OUTBOX_INSERT, new_outbox_row
from millrace_feeds.publisher import Publisher
from millrace_feeds.relay import Relay
from millrace_feeds.settings import PublisherSettings, RelaySettings
from millrace_feeds.testing import wait_until
from millrace_feeds.transport import OutgoingRecord

from .conftest import envelope

STREAM = "changes"
QUICK = RelaySettings(poll_interval=0.2, standby_interval=0.05, backoff=Backoff(0.02, 2, 0.2))
WITHOUT_POLL = RelaySettings(poll_interval=3600.0, standby_interval=0.05)

Connection = Any  # asyncpg ships no types


TERMINATE_ACTIVE_RELAY = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Stream(MemoryTransport):
    """A stream whose responses can be delayed."""

    def __init__(self) -> None:
        super().__init__()
        self.create_stream(STREAM)
        self.responses = asyncio.Event()
        self.responses.set()

    async def put_records(self, stream: str, records: Sequence[OutgoingRecord]) -> Sequence[str | None]:
        outcomes = await super().put_records(stream, records)
        await self.responses.wait()
        return outcomes

    @property
    def written(self) -> list[tuple[str, int]]:
        envelopes = [decode(record.body) for record in self.records(STREAM, "shardId-000000000000")]
        return [(envelope.subject, envelope.entityversion) for envelope in envelopes]


def create_relay(dsn: str, stream: MemoryTransport, settings: RelaySettings = QUICK) -> Relay:
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
        await connection.executemany(OUTBOX_INSERT, [new_outbox_row(each) for each in envelopes])
        await connection.execute(NOTIFY_STATEMENT)


async def rows_left(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM outbox"))


async def wait_until_empty(connection: Connection) -> None:
    async def empty() -> bool:
        return await rows_left(connection) == 0

    await wait_until(empty)


async def test_rows_are_published_and_removed(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    await write(database, envelope("practice/a", 1), envelope("practice/b", 1), envelope("practice/a", 2))
    async with running(create_relay(postgres_dsn, stream)) as relay:
        await wait_until_empty(database)
        await wait_until(lambda: relay.status().published == 3)
    assert stream.written == [("practice/a", 1), ("practice/b", 1), ("practice/a", 2)]


async def test_notification_wakes_relay(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    async with running(create_relay(postgres_dsn, stream, WITHOUT_POLL)) as relay:
        await wait_until(lambda: relay.status().active)
        for version in range(1, 6):
            await write(database, envelope("practice/a", version))
            await wait_until(lambda version=version: len(stream.written) == version)  # type: ignore[misc]


class UnavailableStream(Stream):
    """A stream that can be unavailable. `request_sizes` has the number of rows of each request."""

    def __init__(self) -> None:
        super().__init__()
        self.is_unavailable = True
        self.request_sizes: list[int] = []

    async def put_records(self, stream: str, records: Sequence[OutgoingRecord]) -> Sequence[str | None]:
        self.request_sizes.append(len(records))
        if self.is_unavailable:
            raise Unavailable("connection refused")
        return await super().put_records(stream, records)


async def test_unavailable_stream_is_probed_with_single_rows(database: Connection, postgres_dsn: str) -> None:
    stream = UnavailableStream()
    await write(database, *(envelope(f"practice/{number}", 1) for number in range(2_000)))
    async with running(create_relay(postgres_dsn, stream)) as relay:
        concurrent_requests = 3
        await wait_until(lambda: len(stream.request_sizes) > 2 * (FAILURES_UNTIL_UNAVAILABLE + concurrent_requests))
        assert set(stream.request_sizes[FAILURES_UNTIL_UNAVAILABLE + concurrent_requests :]) == {1}
        assert relay.status().failing == "connection refused"
        stream.is_unavailable = False
        await wait_until_empty(database)
    assert len(stream.written) == 2_000


async def test_poll_finds_rows_without_notification(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    async with running(create_relay(postgres_dsn, stream)) as relay:
        await wait_until(lambda: relay.status().active)
        await database.copy_records_to_table(
            "outbox", records=[new_outbox_row(envelope("practice/a", 1))], columns=list(OUTBOX_COLUMNS)
        )
        await wait_until_empty(database)
    assert stream.written == [("practice/a", 1)]


async def test_late_commit_is_not_lost(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    late = await asyncpg.connect(postgres_dsn)
    transaction = late.transaction()
    await transaction.start()
    await late.execute(OUTBOX_INSERT, *new_outbox_row(envelope("practice/late", 1)))
    async with running(create_relay(postgres_dsn, stream)):
        await write(database, envelope("practice/early", 1))
        await wait_until_empty(database)
        await transaction.commit()
        await wait_until(lambda: len(stream.written) == 2)
        await wait_until_empty(database)
    await late.close()
    assert stream.written == [("practice/early", 1), ("practice/late", 1)]


async def test_rows_are_published_again_after_kill_before_removal(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    stream.responses.clear()
    await write(database, envelope("practice/a", 1), envelope("practice/a", 2))
    async with running(create_relay(postgres_dsn, stream)):
        await wait_until(lambda: len(stream.written) == 2)
    assert await rows_left(database) == 2
    stream.responses.set()
    async with running(create_relay(postgres_dsn, stream)):
        await wait_until_empty(database)
    assert stream.written == [("practice/a", 1), ("practice/a", 2)] * 2


async def test_standby_relay_takes_over(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    async with running(create_relay(postgres_dsn, stream)) as first:
        await wait_until(lambda: first.status().active)
        async with running(create_relay(postgres_dsn, stream)) as second:
            await wait_until(lambda: second.healthy)
            await write(database, envelope("practice/a", 1))
            await wait_until_empty(database)
            assert not second.status().active
            await database.execute(TERMINATE_ACTIVE_RELAY)
            await write(database, envelope("practice/a", 2))
            await wait_until_empty(database)
            await wait_until(lambda: first.status().active != second.status().active)
    assert stream.written == [("practice/a", 1), ("practice/a", 2)]


async def test_relay_waits_for_missing_stream(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    stream.delete_stream(STREAM)
    await write(database, envelope("practice/a", 1), envelope("practice/b", 1))
    async with running(create_relay(postgres_dsn, stream)) as relay:
        await wait_until(lambda: relay.status().failing is not None)
        assert not relay.healthy
        stream.create_stream(STREAM)
        await wait_until_empty(database)
        await wait_until(lambda: relay.healthy)
    assert stream.written == [("practice/a", 1), ("practice/b", 1)]


async def test_relay_waits_for_missing_outbox(postgres_dsn: str) -> None:
    stream = Stream()
    async with running(create_relay(postgres_dsn, stream)):
        connection = await asyncpg.connect(postgres_dsn)
        await connection.execute(OUTBOX_DDL)
        await write(connection, envelope("practice/a", 1))
        await wait_until_empty(connection)
        await connection.close()


async def test_many_rows_are_published_in_order_per_key(database: Connection, postgres_dsn: str) -> None:
    stream = Stream()
    rows = [envelope(f"practice/{n % 700}", 1 + n // 700) for n in range(7_000)]
    await database.copy_records_to_table(
        "outbox", records=[new_outbox_row(row) for row in rows], columns=list(OUTBOX_COLUMNS)
    )
    async with running(create_relay(postgres_dsn, stream)):
        await wait_until_empty(database)
    assert len(stream.written) == 7_000
    versions: dict[str, list[int]] = {}
    for key, version in stream.written:
        versions.setdefault(key, []).append(version)
    assert all(found == list(range(1, 11)) for found in versions.values())


def test_too_large_event_is_rejected() -> None:
    with pytest.raises(RecordTooLarge, match="practice/a"):
        new_outbox_row(envelope("practice/a", 1, b'"' + b"x" * 1_100_000 + b'"'))
