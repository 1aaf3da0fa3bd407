"""The whole service on emulated Kinesis and DynamoDB."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from millrace_contracts.envelope import Envelope, decode
from millrace_feeds.aws import dynamodb_client, kinesis_client
from millrace_feeds.provision import create_dead_letters_table, create_stream
from millrace_feeds.testing import wait_until
from millrace_feeds.transport import TRIM_HORIZON, Transport
from millrace_feeds.wiring import open_publisher, open_transport
from millrace_platform.testing import run_app
from millrace_refinery.main import create
from millrace_refinery.provision import init

from .factories import change, practice

STREAMS = ("changes", "entities")
TABLES = ("refinery", "refinery-leases", "dead-letters")


@pytest.fixture
async def names(
    aws_endpoint: str, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[dict[str, str]]:
    """Create streams and tables, and set the environment to them."""
    names = {name: unique_name(name) for name in (*STREAMS, *TABLES)}
    for name, unique in names.items():
        kind = "STREAM" if name in STREAMS else "TABLE"
        monkeypatch.setenv(f"MILLRACE_{name.upper().replace('-', '_')}_{kind}", unique)
    async with kinesis_client() as kinesis, dynamodb_client() as dynamodb:
        for stream in STREAMS:
            await create_stream(kinesis, names[stream])
        await create_dead_letters_table(dynamodb, names["dead-letters"])
    await init()
    await init()
    yield names


async def read_all(transport: Transport, stream: str) -> list[Envelope]:
    envelopes: list[Envelope] = []
    for shard in await transport.list_shards(stream):
        page = await transport.get_records(await transport.open_iterator(stream, shard.shard_id, TRIM_HORIZON), 10_000)
        envelopes += [decode(record.body) for record in page.records]
    return envelopes


async def test_changes_become_entities_and_a_restart_repeats_none(names: dict[str, str]) -> None:
    changes = [change(practice(key=f"k{key}"), version) for version in (1, 2) for key in range(100)]
    async with open_transport() as transport, open_publisher(names["changes"]) as publisher:
        await publisher.publish(changes)

        async def emitted(count: int) -> bool:
            return len(await read_all(transport, names["entities"])) == count

        async with run_app(create()) as client:

            async def status() -> Any:
                return (await client.get("/internal/refinery/status")).json()

            async def counted() -> bool:
                return bool((await status())["changes"]["emitted"] == len(changes))

            # A change is counted after the acknowledgements of its publication and of its key's state.
            await wait_until(counted)
            assert (await status())["consumer"]["shards"]
            assert (await status())["versions_skipped"] == 0
        assert await emitted(len(changes))
        async with run_app(create()):
            await publisher.publish([*changes, change(practice(key="k0"), 3)])
            await wait_until(lambda: emitted(len(changes) + 1))
        expected = {*((each.subject, each.entityversion) for each in changes), ("practice/k0", 3)}
        assert {(each.subject, each.entityversion) for each in await read_all(transport, names["entities"])} == expected


async def test_service_becomes_ready_once_it_reads(names: dict[str, str]) -> None:
    async with run_app(create()) as client:
        assert (await client.get("/healthz")).status_code == 200

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await wait_until(ready)
