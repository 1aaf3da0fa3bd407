"""Requests, uploads and streams have limits of their own; probes have none."""

import asyncio
from contextlib import AsyncExitStack

import httpx
import pytest

from millrace_feeds.testing import wait_until
from millrace_platform.pools import UploadPool

from .connections import SECONDS, Connection, SampleServer, served

PROBES = ("/healthz", "/readyz")


async def begin_upload(service: SampleServer, stack: AsyncExitStack, source: str = "203.0.113.1") -> Connection:
    """Send the head and the first byte of an upload, and return when the service waits for the rest."""
    connection = await stack.enter_async_context(service.connect())
    connection.send(
        b"POST /v1/bytes HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\nexpect: 100-continue\r\n"
        b"x-forwarded-for: " + source.encode() + b"\r\n\r\n"
    )
    await connection.read_until(b"100 Continue\r\n\r\n")
    connection.send(b"x")
    return connection


async def begin_request(service: SampleServer, stack: AsyncExitStack) -> None:
    """Occupy the only place for requests."""
    connection = await stack.enter_async_context(service.connect())
    connection.send(b"GET /v1/forever HTTP/1.1\r\nhost: localhost\r\n\r\n")
    await wait_until(lambda: is_status(service, "/v1/items/1", 503))


async def is_status(service: SampleServer, path: str, status: int) -> bool:
    return (await service.client.get(path)).status_code == status


class TestProbes:
    @pytest.mark.parametrize("path", PROBES)
    async def test_probes_respond_while_all_places_are_taken(self, path: str) -> None:
        async with served(concurrency_limit=1, upload_limit=1) as service, AsyncExitStack() as stack:
            await begin_request(service, stack)
            await begin_upload(service, stack)
            assert (await service.client.get(path)).status_code == 200
            assert (await service.client.head(path)).status_code == 200


class TestUploads:
    async def test_slow_uploads_take_no_place_of_requests(self) -> None:
        async with served(concurrency_limit=1, upload_limit=40) as service, AsyncExitStack() as stack:
            for _ in range(40):
                await begin_upload(service, stack)
            assert (await service.client.get("/v1/items/1")).status_code == 200
            assert (await service.client.post("/v1/bytes", content=b"123")).json() == 3

    async def test_upload_into_a_full_pool_evicts_the_oldest_of_the_source_with_most(self) -> None:
        async with served(upload_limit=3) as service, AsyncExitStack() as stack:
            other = await begin_upload(service, stack, "198.51.100.1")
            first = await begin_upload(service, stack)
            second = await begin_upload(service, stack)
            last = await begin_upload(service, stack)
            assert (await first.read_to_end()).startswith(b"HTTP/1.1 408 ")
            for upload in (other, second, last):
                upload.send(b"y")
                assert (await upload.read_until(b"\r\n")).startswith(b"HTTP/1.1 200 ")

    async def test_completed_uploads_free_their_places(self) -> None:
        async with served(upload_limit=1) as service, AsyncExitStack() as stack:
            for _ in range(3):
                upload = await begin_upload(service, stack)
                upload.send(b"y")
                assert (await upload.read_until(b"\r\n")).startswith(b"HTTP/1.1 200 ")

    async def test_disconnected_uploads_free_their_places(self) -> None:
        async with served(upload_limit=2) as service, AsyncExitStack() as stack:
            for _ in range(2):
                async with AsyncExitStack() as ended:
                    await begin_upload(service, ended)
            remaining = [await begin_upload(service, stack) for _ in range(2)]
            for upload in remaining:
                upload.send(b"y")
                assert (await upload.read_until(b"\r\n")).startswith(b"HTTP/1.1 200 ")

    async def test_late_body_is_408_and_closes_the_connection(self) -> None:
        async with served(request_timeout=0.05) as service, AsyncExitStack() as stack:
            upload = await begin_upload(service, stack)
            response = await upload.read_to_end()
        assert response.startswith(b"HTTP/1.1 408 ")


class TestStreams:
    async def test_streams_take_no_place_of_requests(self) -> None:
        async with (
            served(concurrency_limit=1) as service,
            service.client.stream("GET", "/v1/endless") as first,
            service.client.stream("GET", "/v1/endless") as second,
        ):
            assert (first.status_code, second.status_code) == (200, 200)
            assert (await service.client.get("/v1/items/1")).status_code == 200

    async def test_streams_of_one_source_are_limited(self) -> None:
        async with served(source_stream_limit=1) as service:
            mine = {"x-forwarded-for": "2001:db8::1"}
            async with service.client.stream("GET", "/v1/endless", headers=mine):
                refused = await service.client.get("/v1/endless", headers={"x-forwarded-for": "2001:db8::2"})
                assert await service.can_stream(**{"x-forwarded-for": "198.51.100.1"})
            await wait_until(lambda: service.can_stream(**mine))
        assert (refused.status_code, refused.json()["type"]) == (429, "urn:millrace:problem:too-many-requests")
        assert int(refused.headers["retry-after"]) > 0

    async def test_streams_of_the_process_are_limited(self) -> None:
        async with served(stream_limit=1) as service, service.client.stream("GET", "/v1/endless"):
            refused = await service.client.get("/v1/endless", headers={"x-forwarded-for": "198.51.100.1"})
        assert refused.status_code == 503

    async def test_connection_of_a_stream_is_closed_with_it(self) -> None:
        async with served() as service, service.connect() as connection:
            connection.send(b"GET /v1/stream HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert b"connection: close" in (await connection.read_to_end()).lower()


class TestHead:
    async def test_head_of_a_stream_ends_with_its_head_and_frees_its_place(self) -> None:
        async with served(stream_limit=1) as service:
            for _ in range(3):
                head = await service.client.head("/v1/endless")
                assert (head.status_code, head.content) == (200, b"")
            assert await service.can_stream()

    async def test_connection_serves_further_requests_after_head_of_a_body_of_unknown_length(self) -> None:
        async with served() as service, service.connect() as connection:
            connection.send(b"HEAD /v1/unannounced HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert (await connection.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            connection.send(b"GET /v1/items/1 HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert (await connection.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")

    async def test_cancelled_application_of_a_head_is_no_error(self, caplog: pytest.LogCaptureFixture) -> None:
        async with served() as service:
            await service.client.head("/v1/endless")
        assert not [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]


async def test_requests_over_the_concurrency_limit_are_503() -> None:
    async with served(concurrency_limit=1) as service, AsyncExitStack() as stack:
        await begin_request(service, stack)
        response = await asyncio.wait_for(service.client.get("/v1/items/1"), SECONDS)
    assert response.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert response.json()["type"] == "urn:millrace:problem:unavailable"


async def test_upload_whose_time_is_over_makes_room_like_others() -> None:
    pool, late = UploadPool(1), asyncio.timeout(0)
    with pytest.raises(TimeoutError):
        async with late:
            await asyncio.Event().wait()
    with pool.admit("late", late) as upload, pool.admit("next", asyncio.timeout(None)):
        assert (upload.is_evicted, len(pool)) == (True, 1)
