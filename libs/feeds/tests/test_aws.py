"""Relay, publisher, consumer and commands together on ministack, wired as in services."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import pytest
from typer.testing import CliRunner

from millrace_contracts.envelope import decode
from millrace_feeds.aws import AwsSettings, dynamodb_client, kinesis_client
from millrace_feeds.cli import app
from millrace_feeds.consumer import Consumer
from millrace_feeds.errors import InvalidRecord, NotFound
from millrace_feeds.outbox import OUTBOX_DDL, OUTBOX_INSERT, new_outbox_row
from millrace_feeds.provision import create_lease_table, init
from millrace_feeds.relay import Relay
from millrace_feeds.settings import ConsumerSettings, LeaseSettings
from millrace_feeds.testing import wait_until
from millrace_feeds.transport import Record
from millrace_feeds.wiring import ConsumerConfig, open_consumer, open_dead_letters, open_publisher

from .conftest import envelope

QUICK = ConsumerSettings(checkpoint_interval=0.1, leases=LeaseSettings(renew_interval=1.0, take_interval=0.2))


@dataclass
class Collector:
    rejected: str = ""
    applied: list[tuple[str, int]] = field(default_factory=list)

    async def handle(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.key == self.rejected:
                raise InvalidRecord(record, "rejected")
        envelopes = [decode(record.body) for record in records]
        self.applied += [(envelope.subject, envelope.entityversion) for envelope in envelopes]


@dataclass(frozen=True)
class Platform:
    changes: str
    leases: str
    dead_letters: str


@pytest.fixture
async def platform(
    aws_endpoint: str, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Platform]:
    created = Platform(unique_name("changes"), unique_name("leases"), unique_name("dead_letters"))
    entities, projector_leases = unique_name("entities"), unique_name("leases")
    monkeypatch.setenv("MILLRACE_CHANGES_STREAM", created.changes)
    monkeypatch.setenv("MILLRACE_ENTITIES_STREAM", entities)
    monkeypatch.setenv("MILLRACE_DEAD_LETTERS_TABLE", created.dead_letters)
    monkeypatch.setenv("MILLRACE_REFINERY_LEASES_TABLE", created.leases)
    monkeypatch.setenv("MILLRACE_PROJECTOR_LEASES_TABLE", projector_leases)
    await init()
    await init()
    async with dynamodb_client() as client:
        await create_lease_table(client, created.leases)
        await create_lease_table(client, projector_leases)
    yield created


@asynccontextmanager
async def running_consumer(platform: Platform, handler: Collector) -> AsyncIterator[Consumer]:
    config = ConsumerConfig("refinery", platform.changes, platform.leases, platform.dead_letters)
    async with open_consumer(config, handler, settings=QUICK) as consumer:
        task = asyncio.create_task(consumer.run())
        try:
            yield consumer
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_changes_reach_handler_from_outbox(platform: Platform, postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute(OUTBOX_DDL)
    written = [envelope(f"practice/{n % 300}", 1 + n // 300) for n in range(1_500)]
    await connection.executemany(OUTBOX_INSERT, [new_outbox_row(each) for each in written])
    handler = Collector()
    async with open_publisher(platform.changes) as publisher, running_consumer(platform, handler) as consumer:
        relay_task = asyncio.create_task(Relay(database_url=postgres_dsn, publisher=publisher).run())
        await wait_until(lambda: len(handler.applied) >= 1_500)
        relay_task.cancel()
        await asyncio.wait([relay_task])
        await wait_until(lambda: len(consumer.status().shards) == 2)
        assert consumer.healthy
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
    await connection.close()
    for n in range(300):
        versions = [version for key, version in handler.applied if key == f"practice/{n}"]
        assert versions == [1, 2, 3, 4, 5]


async def test_consumer_continues_at_checkpoint(platform: Platform) -> None:
    async with open_publisher(platform.changes) as publisher:
        for version in (1, 2):
            handler = Collector()
            async with running_consumer(platform, handler):
                await publisher.publish([envelope("practice/a", version)])
                await wait_until(lambda handler=handler: bool(handler.applied))  # type: ignore[misc]
            assert handler.applied == [("practice/a", version)]


async def test_recreated_stream_is_read_from_start(platform: Platform) -> None:
    handler = Collector()
    async with open_publisher(platform.changes) as publisher, running_consumer(platform, handler):
        await publisher.publish([envelope("practice/a", 1)])
        await wait_until(lambda: len(handler.applied) == 1)
        async with kinesis_client() as client:
            await client.delete_stream(StreamName=platform.changes)
        with pytest.raises(NotFound):
            await publisher.transport.list_shards(platform.changes)
        await init()
        await publisher.publish([envelope("practice/a", 2)])
        await wait_until(lambda: ("practice/a", 2) in handler.applied)


async def run_command(*arguments: str, columns: int = 250) -> tuple[int, str]:
    """Run the command in a thread, because it runs an event loop of its own; return exit code and output."""
    result = await asyncio.to_thread(CliRunner(env={"COLUMNS": str(columns)}).invoke, app, list(arguments))
    return result.exit_code, result.output


async def test_dead_letters_are_listed_shown_and_redriven(platform: Platform) -> None:
    handler = Collector(rejected="practice/b")
    async with open_publisher(platform.changes) as publisher, running_consumer(platform, handler) as consumer:
        await publisher.publish([envelope("practice/a", 1), envelope("practice/b", 7)])
        await wait_until(lambda: consumer.status().parked == 1 and len(handler.applied) == 1)
        async with open_dead_letters(platform.dead_letters) as dead_letters:
            (dead_letter,) = [entry async for entry in dead_letters.list("refinery")]
        code, output = await run_command("dlq", "list")
        assert code == 0
        assert dead_letter.id in output
        assert "rejected" in output
        code, output = await run_command("dlq", "show", dead_letter.id)
        assert code == 0
        assert '"name": "Rosewood"' in output
        assert dead_letter.sequence in output
        handler.rejected = ""
        assert await run_command("dlq", "redrive", dead_letter.id) == (0, "1 sent again, 0 failed\n")
        await wait_until(lambda: ("practice/b", 7) in handler.applied)
    assert await run_command("dlq", "list", "--application", "refinery") == (0, "No dead letters.\n")


async def test_command_errors_are_one_line(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await run_command("dlq", "show", "refinery-0") == (
        1,
        "There is no such dead letter. `millrace feeds dlq list` lists them.\n",
    )
    assert await run_command("dlq", "redrive", "refinery-0") == (1, "no dead letter refinery-0\n")
    assert await run_command("dlq", "redrive") == (2, "give either the ids of dead letters or --all\n")
    assert await run_command("dlq", "redrive", "--all") == (0, "0 sent again, 0 failed\n")
    monkeypatch.setenv("MILLRACE_DEAD_LETTERS_TABLE", "nowhere")
    code, output = await run_command("dlq", "list")
    assert code == 1
    assert output.startswith("nowhere: ")
    assert output.count("\n") == 1


async def test_lag_is_shown_by_application_and_shard(platform: Platform) -> None:
    handler = Collector()
    async with open_publisher(platform.changes) as publisher, running_consumer(platform, handler) as consumer:
        await publisher.publish([envelope("practice/a", 1)])
        await wait_until(lambda: bool(handler.applied) and len(consumer.status().shards) == 2)
    code, output = await run_command("lag", columns=80)
    assert code == 0
    applications = [line.split()[0] for line in output.splitlines()[1:]]
    readers = ["projector", "scheduling", "reviews", "notifications", "patients", "directory"]
    assert applications == ["refinery", "refinery", *readers]
    assert output.count("0.0 s") == 2
    assert output.count("not started") == len(readers)
    assert max(map(len, output.splitlines())) <= 80
    assert "…" not in output.splitlines()[0]


def test_region_is_read_from_aws_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert AwsSettings().region_name == "eu-central-1"
    assert AwsSettings(region="us-west-2").region_name == "us-west-2"
