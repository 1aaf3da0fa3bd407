"""Connections against a peer that the test plays itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from millrace_readmodel.tracking import Connection, Invalidated, Limits, UnavailableError, connect

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(play: Peer) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await play(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"redis://127.0.0.1:{port}/0"


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(1024):
        pass


def answering(replies: bytes) -> Peer:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(replies)
        await silent(reader, writer)

    return play


async def test_replies_come_in_the_order_of_commands() -> None:
    async with peer(answering(b"$1\r\na\r\n-ERR no\r\n:3\r\n")) as url:
        connection = await connect(url, Limits())
        first, second, third = (connection.send(command) for command in ("A", "B", "C"))
        assert await first == b"a"
        with pytest.raises(Exception, match="no"):
            await second
        assert await third == 3
        connection.close()


async def test_a_peer_that_never_answers_is_dropped() -> None:
    async with peer(silent) as url:
        connection = await connect(url, Limits(timeout=0.05))
        with pytest.raises(UnavailableError):
            await connection.send("GET", "a")
        assert connection.closed.is_set()


async def test_an_idle_peer_that_vanished_is_noticed() -> None:
    async with peer(silent) as url:
        connection = await connect(url, Limits(timeout=0.05))
        await asyncio.wait_for(connection.closed.wait(), 10)


async def test_commands_beyond_the_bound_fail_at_once() -> None:
    async with peer(silent) as url:
        connection = await connect(url, Limits(pending=1))
        waiting = connection.send("A")
        with pytest.raises(UnavailableError):
            connection.send("B")
        connection.close()
        with pytest.raises(UnavailableError):
            await waiting


async def test_a_reply_that_is_none_of_the_protocol_closes_the_connection() -> None:
    async with peer(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        connection = await connect(url, Limits())
        with pytest.raises(UnavailableError):
            await connection.send("A")


async def test_a_secret_in_the_url_is_used_to_log_in() -> None:
    received = asyncio.Queue[bytes]()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await received.put(await reader.read(1024))
        writer.write(b"+OK\r\n")
        await received.put(await reader.read(1024))
        writer.write(b"+OK\r\n")
        await silent(reader, writer)

    async with peer(play) as url:
        connection = await connect(url.replace("redis://", "redis://reader:secret@").replace("/0", "/5"), Limits())
        assert b"AUTH" in (login := await received.get())
        assert b"reader" in login
        assert b"secret" in login
        assert b"SELECT" in await received.get()
        connection.close()


class Ears:
    def __init__(self) -> None:
        self.heard: list[Invalidated] = []
        self.deaf = asyncio.Event()

    def invalidated(self, keys: Invalidated) -> None:
        self.heard.append(keys)

    def lost(self) -> None:
        self.deaf.set()


async def test_reports_are_told_apart_from_replies() -> None:
    report = b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$3\r\n1:a\r\n"
    flush = b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*-1\r\n"
    subscribed = b"*3\r\n$9\r\nsubscribe\r\n$20\r\n__redis__:invalidate\r\n:1\r\n"

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (b":12\r\n", b"+OK\r\n", subscribed + report + flush):
            await reader.read(1024)
            writer.write(reply)
        await reader.read(1024)

    ears = Ears()
    async with peer(play) as url:
        connection: Connection = await connect(url, Limits(), ears)
        await connection.track(("1:",))
        pong = connection.send("PING")
        with pytest.raises(UnavailableError):
            await pong
        await asyncio.wait_for(ears.deaf.wait(), 10)
    assert ears.heard == [[b"1:a"], None]
