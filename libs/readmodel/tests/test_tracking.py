"""Connections for the near cache, to a server that the test implements."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from millrace_local.certificates.authority import issue
from millrace_platform.tls import client_context, server_context
from millrace_readmodel.tracking import ChangedKeys, Connection, Limits, UnavailableError, connect

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def run_peer(handle: Peer, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"{'redis' if tls is None else 'rediss'}://127.0.0.1:{port}/0"


async def read_silently(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(1024):
        pass


def reply_with(replies: bytes) -> Peer:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(replies)
        await read_silently(reader, writer)

    return handle


async def test_replies_arrive_in_command_order() -> None:
    async with run_peer(reply_with(b"$1\r\na\r\n-ERR no\r\n:3\r\n")) as url:
        connection = await connect(url, Limits())
        first, second, third = (connection.send(command) for command in ("A", "B", "C"))
        assert await first == b"a"
        with pytest.raises(Exception, match="no"):
            await second
        assert await third == 3
        connection.close()


async def test_unresponsive_peer_is_disconnected() -> None:
    async with run_peer(read_silently) as url:
        connection = await connect(url, Limits(timeout=0.3))
        with pytest.raises(UnavailableError):
            await connection.send("GET", "a")
        assert connection.closed.is_set()


async def test_vanished_idle_peer_is_detected() -> None:
    async with run_peer(read_silently) as url:
        connection = await connect(url, Limits(timeout=0.3))
        await asyncio.wait_for(connection.closed.wait(), 10)


async def test_commands_beyond_the_limit_fail_immediately() -> None:
    async with run_peer(read_silently) as url:
        connection = await connect(url, Limits(pending=1))
        waiting = connection.send("A")
        with pytest.raises(UnavailableError):
            connection.send("B")
        connection.close()
        with pytest.raises(UnavailableError):
            await waiting


async def test_protocol_error_closes_the_connection() -> None:
    async with run_peer(reply_with(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        connection = await connect(url, Limits())
        with pytest.raises(UnavailableError):
            await connection.send("A")


async def test_credentials_in_url_are_used() -> None:
    received = asyncio.Queue[bytes]()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await received.put(await reader.read(1024))
        writer.write(b"+OK\r\n")
        await received.put(await reader.read(1024))
        writer.write(b"+OK\r\n")
        await read_silently(reader, writer)

    async with run_peer(handle) as url:
        connection = await connect(url.replace("redis://", "redis://reader:secret@").replace("/0", "/5"), Limits())
        assert b"AUTH" in (login := await received.get())
        assert b"reader" in login
        assert b"secret" in login
        assert b"SELECT" in await received.get()
        connection.close()


class RecordingListener:
    def __init__(self) -> None:
        self.reports: list[ChangedKeys] = []
        self.disconnected = asyncio.Event()

    def on_invalidation(self, keys: ChangedKeys) -> None:
        self.reports.append(keys)

    def on_disconnect(self) -> None:
        self.disconnected.set()


async def test_reports_are_distinguished_from_replies() -> None:
    report = b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$3\r\n1:a\r\n"
    flush = b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*-1\r\n"
    subscribed = b"*3\r\n$9\r\nsubscribe\r\n$20\r\n__redis__:invalidate\r\n:1\r\n"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (b":12\r\n", b"+OK\r\n", subscribed + report + flush):
            await reader.read(1024)
            writer.write(reply)
        await reader.read(1024)

    listener = RecordingListener()
    async with run_peer(handle) as url:
        connection: Connection = await connect(url, Limits(), listener)
        await connection.track(("1:",))
        pong = connection.send("PING")
        with pytest.raises(UnavailableError):
            await pong
        await asyncio.wait_for(listener.disconnected.wait(), 10)
    assert listener.reports == [[b"1:a"], None]


class TestTls:
    """Servers at `rediss://` URLs."""

    async def test_server_is_verified_by_the_context(self) -> None:
        issued = issue({"valkey": ["127.0.0.1"]}, datetime.now(UTC), timedelta(days=1))
        server = server_context(issued.pairs["valkey"].certificate, issued.pairs["valkey"].key)
        async with run_peer(reply_with(b"+PONG\r\n"), server) as url:
            connection = await connect(url, Limits(), tls=client_context(issued.authority))
            assert await connection.send("PING") == b"PONG"
            connection.close()
            with pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
                await connect(url, Limits())

    async def test_handshake_that_does_not_end_is_unavailable(self) -> None:
        async with run_peer(read_silently) as url:
            with pytest.raises(UnavailableError):
                await connect(url.replace("redis:", "rediss:"), Limits(timeout=0.1))
