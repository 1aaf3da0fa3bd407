"""Parses a file concurrently with its import: in a separate process if the file is large, else in a thread.

A thread is slower for large files: after each wait for the database, the import would wait for the parser to release
the interpreter. Starting a process takes half a second, too long for small files.
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

from millrace_directory.bulk_import.errors import ImportFailedError
from millrace_directory.bulk_import.garbage_collection import collect, manual_collection
from millrace_directory.nppes.chunks import CHUNK_ROWS, Chunk, ChunkReader
from millrace_directory.nppes.source import LineSource

SMALL_BYTES = 16 << 20
STOP_SECONDS = 10.0

NextChunk: TypeAlias = Callable[[], Awaitable[Chunk | None]]
"""Function that returns the next chunk, None at the end; raises `ImportFailedError`. Don't call it concurrently."""


@dataclass(frozen=True, slots=True)
class FileRange:
    """Up to `limit` rows of a file after a position in bytes and lines; 0, 0 is the beginning."""

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


Parser: TypeAlias = Callable[[FileRange], AbstractAsyncContextManager[NextChunk]]
"""Function that starts parsing, one chunk ahead; its context manager returns the `NextChunk`. Call it once."""


@asynccontextmanager
async def open_parser(file: Path, *, small_bytes: int = SMALL_BYTES) -> AsyncIterator[Parser]:
    """Return a parser for the file. A process, if needed, starts at once, while the import still reads its position."""
    if await asyncio.to_thread(lambda: file.stat().st_size) <= small_bytes:
        yield parse_in_thread
        return
    async with _parser_process() as connection:
        yield partial(parse_in_process, connection)


@asynccontextmanager
async def parse_in_thread(file_range: FileRange) -> AsyncIterator[NextChunk]:
    """Parse in a thread of this process; return the function for the next chunk."""
    with LineSource(file_range.file) as source:
        reader = await asyncio.to_thread(file_range.open, source)
        async with _read_ahead(reader.next) as next_chunk:
            yield next_chunk


@asynccontextmanager
async def parse_in_process(connection: Connection, file_range: FileRange) -> AsyncIterator[NextChunk]:
    """Parse in the process at the other end of the connection; return the function for the next chunk."""
    connection.send(file_range)
    async with _read_ahead(lambda: _receive(connection)) as next_chunk:
        yield next_chunk


@asynccontextmanager
async def _parser_process() -> AsyncIterator[Connection]:
    """Start a parser process and return the connection to it.

    The process ends with this one even if this one is killed, because its pipe then closes.
    """
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
async def _read_ahead(read: Callable[[], Chunk | None]) -> AsyncIterator[NextChunk]:
    """Return a function that returns the next result of `read`, which a thread calls one result ahead."""
    ahead = asyncio.create_task(asyncio.to_thread(read))

    async def next_chunk() -> Chunk | None:
        nonlocal ahead
        chunk = await ahead
        if chunk is not None:
            ahead = asyncio.create_task(asyncio.to_thread(read))
        return chunk

    try:
        yield next_chunk
    finally:
        # A thread can't be stopped: wait until it no longer uses the file or the pipe.
        await asyncio.wait([ahead])
        if not ahead.cancelled():
            ahead.exception()


def _receive(connection: Connection) -> Chunk | None:
    try:
        received = connection.recv()
    except (EOFError, ConnectionError):
        raise ImportFailedError("The process that reads the file ended unexpectedly. Start the import again.") from None
    if isinstance(received, ImportFailedError):
        raise received
    return received if isinstance(received, Chunk) else None


def _send_chunks(connection: Connection) -> None:
    # Ctrl-C reaches all processes of the group; only the import handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        file_range: FileRange = connection.recv()
        with LineSource(file_range.file) as source, manual_collection():
            reader = file_range.open(source)
            while (chunk := reader.next()) is not None:
                connection.send(chunk)
                del chunk  # else the collector would go through all its rows
                collect()
        connection.send(None)
    except ImportFailedError as error:
        connection.send(error)
    except (EOFError, ConnectionError):
        return  # the import ended
