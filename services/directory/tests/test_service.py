"""The deployed service, on PostgreSQL and emulated Kinesis."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from millrace_contracts.envelope import Envelope, decode
from millrace_directory.main import create
from millrace_directory.migrate import init
from millrace_feeds.aws import kinesis_client
from millrace_feeds.clock import SystemClock
from millrace_feeds.provision import create_stream
from millrace_feeds.transport import TRIM_HORIZON
from millrace_feeds.wiring import open_transport
from millrace_platform.authentication import Role
from millrace_platform.service import Infrastructure
from millrace_platform.testing import access_token, open_test_verifier, run_app


@asynccontextmanager
async def _running() -> AsyncIterator[httpx.AsyncClient]:
    app = create(infrastructure=Infrastructure(open_verifier=open_test_verifier))
    token = access_token(app.state.settings, SystemClock(), Role.ADMIN)
    async with run_app(app, headers={"Authorization": f"Bearer {token}"}) as http:
        yield http


async def _read_all(stream: str) -> list[Envelope]:
    async with open_transport() as transport:
        envelopes: list[Envelope] = []
        for shard in await transport.list_shards(stream):
            start = await transport.open_iterator(stream, shard.shard_id, TRIM_HORIZON)
            page = await transport.get_records(start, 1_000)
            envelopes += [decode(record.body) for record in page.records]
        return envelopes


async def test_unsent_changes_reach_the_stream_after_a_restart(
    postgres_dsn: str, aws_endpoint: str, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = unique_name("changes")
    monkeypatch.setenv("MILLRACE_DIRECTORY_DATABASE_URL", postgres_dsn)
    monkeypatch.setenv("MILLRACE_CHANGES_STREAM", stream)
    await init()

    async with _running() as http:
        assert (await http.get("/readyz")).status_code == 200
        await http.post("/v1/directory/insurance-plans", json={"id": "PLAN-A", "name": "A"})
        assert (await http.get("/internal/directory/status")).json()["outbox"]["backlog"] == 1

    async with kinesis_client() as kinesis:
        await create_stream(kinesis, stream)
    async with _running() as http:
        while (await http.get("/internal/directory/status")).json()["outbox"]["backlog"]:
            assert (await http.get("/healthz")).status_code == 200
    assert [envelope.subject for envelope in await _read_all(stream)] == ["insurance-plan/PLAN-A"]
