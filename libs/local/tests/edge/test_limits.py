"""Limits of the edge: clients can't take connections to the services, few in these tests, away from others."""

import asyncio
from contextlib import AsyncExitStack

import httpx
import pytest

from millrace_feeds.testing import wait_until
from millrace_local.edge import app
from millrace_platform import protocol
from millrace_platform.settings import PoolSettings

from .conftest import Running

STREAM = "/v1/availability/stream"
SECONDS = 10.0


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> PoolSettings:
    monkeypatch.setattr(app, "REQUEST_CONNECTIONS", 1)
    return PoolSettings(stream_limit=3, source_stream_limit=2, upload_limit=2)


async def open_streams(client: httpx.AsyncClient, stack: AsyncExitStack, path: str, count: int) -> None:
    for _ in range(count):
        response = await stack.enter_async_context(client.stream("GET", path))
        assert response.status_code == 200


@pytest.mark.parametrize("path", [STREAM, "/v1/availability/%73tream"])
async def test_streams_of_one_source_are_limited_until_they_end(
    client: httpx.AsyncClient, edge: Running, path: str
) -> None:
    async with AsyncExitStack() as stack:
        await open_streams(client, stack, path, 2)
        refused = await client.get(path)
        assert refused.status_code == 429
        assert refused.json()["request_id"] == refused.headers["x-request-id"]
    await asyncio.wait_for(edge.upstream.gone.wait(), SECONDS)

    async def can_stream() -> bool:
        async with client.stream("GET", path) as response:
            return response.status_code == 200

    await wait_until(can_stream)


async def test_connection_of_a_stream_is_closed_with_it(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", STREAM) as response:
        assert response.headers["connection"] == "close"


async def test_streams_and_uploads_take_no_connection_of_requests(client: httpx.AsyncClient, edge: Running) -> None:
    async with AsyncExitStack() as stack:
        await open_streams(client, stack, STREAM, 2)
        for _ in range(3):
            await begin_upload(edge, stack)
        assert (await client.get("/v1/search")).status_code == 200


async def begin_upload(edge: Running, stack: AsyncExitStack) -> asyncio.StreamReader:
    """Send a part of an upload's body, and return when the edge waits for the rest."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    stack.callback(writer.close)
    head = b"PUT /v1/directory/upload HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n"
    writer.write(head)
    await asyncio.wait_for(reader.readuntil(b"100 Continue\r\n\r\n"), SECONDS)
    writer.write(b"some")
    return reader


async def test_further_uploads_end_the_oldest(edge: Running) -> None:
    async with AsyncExitStack() as stack:
        oldest, *_ = [await begin_upload(edge, stack) for _ in range(3)]
        assert (await asyncio.wait_for(oldest.read(), SECONDS)).startswith(b"HTTP/1.1 408 ")
    assert not edge.upstream.uploading.is_set()


async def test_health_needs_no_connection_of_requests(client: httpx.AsyncClient) -> None:
    async with AsyncExitStack() as stack:
        await open_streams(client, stack, "/v1/directory/stream", 1)  # an ordinary request that lasts
        health = await client.get("/healthz")
    assert health.json()["detail"] == "These services are not ready: reviews. Try again later."


async def test_half_sent_head_is_refused_and_its_connection_closed(
    edge: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "INPUT_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x")
    assert (await asyncio.wait_for(reader.read(), SECONDS)).startswith(b"HTTP/1.1 408 ")
    writer.close()
