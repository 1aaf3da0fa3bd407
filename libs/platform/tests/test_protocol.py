"""Connections whose request isn't received in time, and those whose client disconnects or vanishes."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, TypeVar

import pytest

from millrace_feeds.testing import wait_until
from millrace_platform import protocol
from millrace_platform.protocol import EventLoop, detect_vanished_peers

from .certificates import tls_settings
from .connections import SECONDS, SampleServer, served

T = TypeVar("T")
Serve = Callable[..., AbstractAsyncContextManager[SampleServer]]

GET = b"GET /v1/items/1 HTTP/1.1\r\nhost: localhost\r\n\r\n"
STREAM = b"GET /v1/endless?first=begin HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture
def short_input_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "INPUT_SECONDS", 0.05)


@pytest.fixture(params=["plain", "TLS"])
def serve(request: pytest.FixtureRequest) -> Serve:
    return partial(served, **tls_settings()) if request.param == "TLS" else served


@pytest.mark.usefixtures("short_input_time")
class TestLateInput:
    @pytest.mark.parametrize("sent", [b"G", b"GET / HTTP/1.1\r\nhost: loc", GET + b"GET /v1/items/2 HT"])
    async def test_half_sent_head_is_refused_and_its_connection_closed(self, serve: Serve, sent: bytes) -> None:
        async with serve() as service, service.connect() as connection:
            connection.send(sent)
            received = await connection.read_to_end()
        last = received[received.rindex(b"HTTP/1.1 ") :]
        assert last.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in last
        assert b"urn:millrace:problem:request-incomplete" in last

    async def test_connection_with_line_ends_only_is_closed(self, serve: Serve) -> None:
        async with serve() as service, service.connect() as connection:
            connection.send(b"\r\n")
            assert await connection.read_to_end() == b""

    async def test_rest_of_a_refused_body_that_does_not_arrive_closes_the_connection(self, serve: Serve) -> None:
        async with serve(body_limit=10) as service, service.connect() as connection:
            connection.send(b"POST /v1/bytes HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nsome")
            assert (await connection.read_to_end()).startswith(b"HTTP/1.1 413 ")

    async def test_connection_is_reused_after_the_rest_of_a_refused_body(self, serve: Serve) -> None:
        async with serve(body_limit=10) as service, service.connect() as connection:
            connection.send(b"POST /v1/bytes HTTP/1.1\r\nhost: localhost\r\ncontent-length: 14\r\n\r\nsome")
            await connection.read_until(b"\r\n\r\n")
            connection.send(b"x" * 10 + GET)
            assert b'{"key":"1"}' in await connection.read_until(b'"1"}')

    async def test_running_request_is_not_ended(self, serve: Serve) -> None:
        async with serve(request_timeout=0.3) as service, service.connect() as connection:
            connection.send(b"GET /v1/forever HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            assert (await connection.read_to_end()).startswith(b"HTTP/1.1 504 ")


async def test_silent_connection_is_closed(serve: Serve) -> None:
    async with serve(keep_alive=0.05) as service, service.connect() as connection:
        assert await connection.read_to_end() == b""


@pytest.mark.parametrize("pipelined", [b"", GET, GET * 2], ids=["alone", "with a request", "with two requests"])
async def test_place_of_a_stream_is_free_after_its_client_disconnected(serve: Serve, pipelined: bytes) -> None:
    async with serve(stream_limit=1) as service:
        async with service.connect() as connection:
            connection.send(STREAM)
            await connection.read_until(b"begin")
            connection.send(pipelined)
        await wait_until(service.can_stream)


def test_listener_closes_connections_of_vanished_peers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        detect_vanished_peers(listener)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            silence = protocol.SILENCE_SECONDS
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            idle, interval, count = (
                accepted.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle + interval * count <= silence
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == silence * 1_000


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run in the event loop of a service's process."""
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        return runner.run(main)


class TestServiceEventLoop:
    @pytest.mark.usefixtures("short_input_time")
    @pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00"], ids=["nothing", "the beginning"])
    def test_half_sent_tls_handshake_is_closed(self, sent: bytes) -> None:
        async def read_after_half_a_handshake() -> bytes:
            async with served(**tls_settings()) as service:
                reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
                writer.write(sent)
                received = await asyncio.wait_for(reader.read(), SECONDS)
                writer.close()
                return received

        assert run(read_after_half_a_handshake()) == b""

    @pytest.mark.usefixtures("short_input_time")
    def test_half_sent_head_is_refused_and_its_connection_closed(self, serve: Serve) -> None:
        async def read_after_half_a_head() -> bytes:
            async with serve() as service, service.connect() as connection:
                connection.send(b"GET / HT")
                return await connection.read_to_end()

        assert run(read_after_half_a_head()).startswith(b"HTTP/1.1 408 ")

    def test_client_that_does_not_confirm_the_end_of_tls_is_disconnected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(protocol, "TLS_CLOSE_SECONDS", 0.05)

        async def ignore_the_end() -> None:
            async with served(**tls_settings()) as service, service.connect() as connection:
                connection.send(b"GET /v1/items/1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                await connection.read_until(b'"1"}')
                connection.pause_reading()
                await wait_until(lambda: not service.connections)

        run(ignore_the_end())

    def test_place_of_a_stream_is_free_after_its_client_disconnected(self, serve: Serve) -> None:
        async def open_two_streams() -> None:
            async with serve(stream_limit=1) as service:
                async with service.connect() as connection:
                    connection.send(STREAM)
                    await connection.read_until(b"begin")
                await wait_until(service.can_stream)

        run(open_two_streams())
