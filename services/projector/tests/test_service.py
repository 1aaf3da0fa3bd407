"""The whole service on emulated Kinesis and DynamoDB and a real Redis."""

from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from millrace_contracts.envelope import decode
from millrace_feeds.aws import dynamodb_client, kinesis_client
from millrace_feeds.provision import create_dead_letters_table, create_stream
from millrace_feeds.testing import wait_until
from millrace_feeds.wiring import open_publisher
from millrace_platform.testing import run_app
from millrace_projector.main import create
from millrace_projector.provision import init
from millrace_reference.npi import npi_check_digit

NPIS = [f"{first9}{npi_check_digit(first9)}" for first9 in map(str, range(100_000_000, 100_000_050))]
TABLES = {"truth": "TRUTH", "leases": "PROJECTOR_LEASES", "dead-letters": "DEAD_LETTERS"}


@pytest.fixture
async def stream(
    aws_endpoint: str, redis_url: str, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """Create an `entities` stream, tables and an empty Redis; set the environment to them; return the stream's name."""
    names = {name: unique_name(name) for name in ("entities", *TABLES)}
    monkeypatch.setenv("MILLRACE_ENTITIES_STREAM", names["entities"])
    monkeypatch.setenv("MILLRACE_REDIS_URL", redis_url)
    for name, variable in TABLES.items():
        monkeypatch.setenv(f"MILLRACE_{variable}_TABLE", names[name])
    async with kinesis_client() as kinesis, dynamodb_client() as dynamodb:
        await create_stream(kinesis, names["entities"])
        await create_dead_letters_table(dynamodb, names["dead-letters"])
    await init()
    await init()
    return names["entities"]


async def test_entities_are_projected_and_rebuilt_after_redis_lost_them(stream: str, redis_url: str, make: Any) -> None:
    records = [make.record(entity) for npi in NPIS for entity in (make.provider(npi), make.location(npi))]
    async with run_app(create()) as client, open_publisher(stream) as publisher, Redis.from_url(redis_url) as redis:

        async def status() -> dict[str, Any]:
            response: dict[str, Any] = (await client.get("/internal/projector/status")).json()
            return response

        async def cards() -> int:
            generation = (await status())["read_model"]["generation"]
            return len(await redis.keys(f"{generation}:c:*"))

        async def projected() -> bool:
            current = await status()
            is_rebuild_reported = current["read_model"]["rebuilt"] is not None
            return is_rebuild_reported and current["handled"] == len(records) and await cards() == len(NPIS)

        async def rebuilt() -> bool:
            is_new = (await status())["read_model"]["rebuilt"] != first_status["read_model"]["rebuilt"]
            return is_new and await cards() == len(NPIS)

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await publisher.publish([decode(record.body) for record in records])
        await wait_until(projected)
        await wait_until(ready)
        first_status = await status()
        assert first_status["skipped"] == 0
        assert first_status["consumer"]["shards"]
        await redis.flushall()
        await wait_until(rebuilt)
