"""Chunks of a file, parsed beside the import: in a process of its own where the file is large.

A thread would do it as well, and slower: each time that the import waits for the database, a parser in the same process
keeps it from going on. A process takes half a second to start, which small files aren't worth.
"""

import asyncio
import multiprocessing
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

from millrace_directory.importing.chunks import CHUNK_ROWS, Chunk, ChunkReader
from millrace_directory.importing.errors import ImportFault
from millrace_directory.importing.memory import collect, collecting_by_chunk
from millrace_directory.importing.source import LineSource

SMALL_BYTES = 16 << 20
STOP_SECONDS = 10.0

NextChunk: TypeAlias = Callable[[], Awaitable[Chunk | None]]
"""Gives the next chunk, None behind the last one. Raises `ImportFault`. Not to be called again before it returned."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read: the rows behind a position (0, 0 is the header), `limit` at most."""

    file: Path
    offset: int = 0
    line: int = 0
    limit: int | None = None
    chunk_rows: int = CHUNK_ROWS

    def open(self, source: LineSource) -> ChunkReader:
        reader = ChunkReader(source, size=self.chunk_rows, limit=self.limit)
        if self.offset:
            reader.skip_to(self.offset, self.line)
        return reader


Parser: TypeAlias = Callable[[Reading], AbstractAsyncContextManager[NextChunk]]
"""Begins to read, ahead by one chunk. To be called once."""


@asynccontextmanager
async def parser_of(file: Path, *, small_bytes: int = SMALL_BYTES) -> AsyncIterator[Parser]:
    """A process starts at once, while the import still finds out where to read from."""
    if await asyncio.to_thread(lambda: file.stat().st_size) <= small_bytes:
        yield in_thread
        return
    async with _process() as connection:
        yield partial(in_process, connection)


@asynccontextmanager
async def in_thread(reading: Reading) -> AsyncIterator[NextChunk]:
    """Parses in a thread of this process."""
    with LineSource(reading.file) as source:
        reader = await asyncio.to_thread(reading.open, source)
        async with _ahead(reader.next) as following:
            yield following


@asynccontextmanager
async def in_process(connection: Connection, reading: Reading) -> AsyncIterator[NextChunk]:
    """Has the other process parse."""
    connection.send(reading)
    async with _ahead(lambda: _receive(connection)) as following:
        yield following


@asynccontextmanager
async def _process() -> AsyncIterator[Connection]:
    """A process that parses, and ends with this one however that ends: only this one has the other end of its pipe."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_send_chunks, args=(theirs,), daemon=True, name="millrace-import-parser")
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.terminate()
        await asyncio.to_thread(process.join, STOP_SECONDS)


@asynccontextmanager
async def _ahead(read: Callable[[], Chunk | None]) -> AsyncIterator[NextChunk]:
    """`read`, one call ahead, in a thread."""
    ahead = asyncio.create_task(asyncio.to_thread(read))

    async def following() -> Chunk | None:
        nonlocal ahead
        chunk = await ahead
        if chunk is not None:
            ahead = asyncio.create_task(asyncio.to_thread(read))
        return chunk

    try:
        yield following
    finally:
        # A thread can't be stopped: it must have left the file or the pipe before that is closed.
        await asyncio.wait([ahead])
        if not ahead.cancelled():
            ahead.exception()


def _receive(connection: Connection) -> Chunk | None:
    try:
        received = connection.recv()
    except (EOFError, ConnectionError):
        raise ImportFault("The process that reads the file ended unexpectedly; start the import again.") from None
    if isinstance(received, ImportFault):
        raise received
    return received if isinstance(received, Chunk) else None


def _send_chunks(connection: Connection) -> None:
    # Ctrl-C reaches the whole group: the import decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        reading: Reading = connection.recv()
        with LineSource(reading.file) as source, collecting_by_chunk():
            reader = reading.open(source)
            while (chunk := reader.next()) is not None:
                connection.send(chunk)
                del chunk  # while it is held, the collector goes through all its rows
                collect()
        connection.send(None)
    except ImportFault as fault:
        connection.send(fault)
    except (EOFError, ConnectionError):
        return  # nobody reads any more
