"""Everything together on ministack, wired as services wire it; and the commands on it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import msgspec
import pytest
from typer.testing import CliRunner

from millrace_contracts.envelope import Envelope, decode
from millrace_feeds.assembly import ConsumerPlace, open_consumer, open_dead_letters, open_publisher
from millrace_feeds.aws import AwsSettings, dynamodb_client, kinesis_client
from millrace_feeds.cli import app
from millrace_feeds.consumer import Consumer
from millrace_feeds.errors import InvalidRecord, NotFound
from millrace_feeds.outbox import OUTBOX_DDL, OUTBOX_INSERT, outbox_record
from millrace_feeds.provision import create_lease_table, init
from millrace_feeds.relay import Relay
from millrace_feeds.settings import ConsumerSettings, LeaseSettings
from millrace_feeds.transport import Record

from .waiting import until

QUICK = ConsumerSettings(checkpoint_interval=0.1, leases=LeaseSettings(renew_interval=1.0, take_interval=0.2))


def envelope(key: str, version: int) -> Envelope:
    return Envelope(
        id=f"{key}-{version}",
        source="/services/directory",
        type="millrace.practice.updated",
        subject=key,
        time="2026-01-01T00:00:00Z",
        dataschema="urn:millrace:practice:1",
        partitionkey=key,
        entityversion=version,
        data=msgspec.Raw(b'{"name":"Rosewood"}'),
    )


@dataclass
class Collector:
    refused: str = ""
    applied: list[tuple[str, int]] = field(default_factory=list)

    async def handle(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.key == self.refused:
                raise InvalidRecord(record, "refused")
        envelopes = [decode(record.body) for record in records]
        self.applied += [(found.subject, found.entityversion) for found in envelopes]


@dataclass(frozen=True)
class Platform:
    changes: str
    leases: str
    letters: str

    def place(self) -> ConsumerPlace:
        return ConsumerPlace("refinery", self.changes, self.leases, self.letters)


@pytest.fixture
async def platform(
    aws_endpoint: str, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Platform]:
    made = Platform(unique_name("changes"), unique_name("leases"), unique_name("letters"))
    entities, projector_leases = unique_name("entities"), unique_name("leases")
    monkeypatch.setenv("MILLRACE_CHANGES_STREAM", made.changes)
    monkeypatch.setenv("MILLRACE_ENTITIES_STREAM", entities)
    monkeypatch.setenv("MILLRACE_DEAD_LETTERS_TABLE", made.letters)
    monkeypatch.setenv("MILLRACE_REFINERY_LEASES_TABLE", made.leases)
    monkeypatch.setenv("MILLRACE_PROJECTOR_LEASES_TABLE", projector_leases)
    await init()
    await init()
    async with dynamodb_client() as client:
        await create_lease_table(client, made.leases)
        await create_lease_table(client, projector_leases)
    yield made


@asynccontextmanager
async def consuming(platform: Platform, handler: Collector) -> AsyncIterator[Consumer]:
    async with open_consumer(platform.place(), handler, settings=QUICK) as consumer:
        task = asyncio.create_task(consumer.run())
        try:
            yield consumer
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_a_change_goes_from_the_outbox_to_a_handler(platform: Platform, postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute(OUTBOX_DDL)
    written = [envelope(f"practice/{n % 300}", 1 + n // 300) for n in range(1_500)]
    await connection.executemany(OUTBOX_INSERT, [outbox_record(each) for each in written])
    handler = Collector()
    async with open_publisher(platform.changes) as publisher, consuming(platform, handler) as consumer:
        relaying = asyncio.create_task(Relay(database_url=postgres_dsn, publisher=publisher).run())
        await until(lambda: len(handler.applied) >= 1_500)
        relaying.cancel()
        await asyncio.wait([relaying])
        await until(lambda: len(consumer.status().shards) == 2)
        assert consumer.healthy
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
    await connection.close()
    for n in range(300):
        versions = [version for key, version in handler.applied if key == f"practice/{n}"]
        assert versions == [1, 2, 3, 4, 5]


async def test_a_consumer_goes_on_where_the_last_one_stopped(platform: Platform) -> None:
    async with open_publisher(platform.changes) as publisher:
        for version in (1, 2):
            handler = Collector()
            async with consuming(platform, handler):
                await publisher.publish([envelope("practice/a", version)])
                await until(lambda handler=handler: bool(handler.applied))  # type: ignore[misc]
            assert handler.applied == [("practice/a", version)]


async def test_a_stream_that_is_made_again_is_read_again(platform: Platform) -> None:
    handler = Collector()
    async with open_publisher(platform.changes) as publisher, consuming(platform, handler):
        await publisher.publish([envelope("practice/a", 1)])
        await until(lambda: len(handler.applied) == 1)
        async with kinesis_client() as client:
            await client.delete_stream(StreamName=platform.changes)
        with pytest.raises(NotFound):
            await publisher.transport.list_shards(platform.changes)
        await init()
        await publisher.publish([envelope("practice/a", 2)])
        await until(lambda: ("practice/a", 2) in handler.applied)


async def run(*arguments: str) -> tuple[int, str]:
    """The command in a thread: it runs a loop of its own."""
    result = await asyncio.to_thread(CliRunner(env={"COLUMNS": "250"}).invoke, app, list(arguments))
    return result.exit_code, result.output


async def test_dead_letters_are_listed_shown_and_sent_again(platform: Platform) -> None:
    handler = Collector(refused="practice/b")
    async with open_publisher(platform.changes) as publisher, consuming(platform, handler) as consumer:
        await publisher.publish([envelope("practice/a", 1), envelope("practice/b", 7)])
        await until(lambda: consumer.status().parked == 1 and len(handler.applied) == 1)
        async with open_dead_letters(platform.letters) as letters:
            (letter,) = [found async for found in letters.list("refinery")]
        code, output = await run("dlq", "list")
        assert code == 0
        assert letter.id in output
        assert "refused" in output
        code, output = await run("dlq", "show", letter.id)
        assert code == 0
        assert '"name": "Rosewood"' in output
        assert letter.sequence in output
        handler.refused = ""
        assert await run("dlq", "redrive", letter.id) == (0, "1 sent again, 0 not\n")
        await until(lambda: ("practice/b", 7) in handler.applied)
    assert await run("dlq", "list", "--application", "refinery") == (0, "No dead letters.\n")


async def test_commands_say_in_a_line_what_is_wrong(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await run("dlq", "show", "refinery-0") == (1, "no dead letter refinery-0\n")
    assert await run("dlq", "redrive", "refinery-0") == (1, "no dead letter refinery-0\n0 sent again, 1 not\n")
    assert await run("dlq", "redrive") == (2, "name letters by their ids, or give --all\n")
    assert await run("dlq", "redrive", "--all") == (0, "0 sent again, 0 not\n")
    monkeypatch.setenv("MILLRACE_DEAD_LETTERS_TABLE", "nowhere")
    code, output = await run("dlq", "list")
    assert code == 1
    assert output.startswith("nowhere: ")
    assert output.count("\n") == 1


async def test_lag_is_shown_by_application_and_shard(platform: Platform) -> None:
    handler = Collector()
    async with open_publisher(platform.changes) as publisher, consuming(platform, handler) as consumer:
        await publisher.publish([envelope("practice/a", 1)])
        await until(lambda: bool(handler.applied) and len(consumer.status().shards) == 2)
    code, output = await run("lag")
    assert code == 0
    assert output.count("refinery") == 2
    assert output.count("0.0 s") == 2


def test_the_region_comes_from_the_containers_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert AwsSettings().region_name == "eu-central-1"
    assert AwsSettings(region="us-west-2").region_name == "us-west-2"
