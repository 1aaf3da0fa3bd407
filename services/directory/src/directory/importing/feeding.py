"""Chunks of a file, parsed beside the import: in a process of its own where the file is large.

A thread would do it as well, and slower: each time that the import waits for the database, a parser in the same process
keeps it from going on. A process takes half a second to start, which small files aren't worth.
"""

import asyncio
import multiprocessing
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

from directory.importing.chunks import CHUNK_ROWS, Chunk, ChunkReader
from directory.importing.errors import ImportFault
from directory.importing.memory import collect, collecting_by_chunk
from directory.importing.source import LineSource

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


@asynccontextmanager
async def chunks_of(reading: Reading, *, small_bytes: int = SMALL_BYTES) -> AsyncIterator[NextChunk]:
    """Reads ahead by one chunk."""
    beside = in_thread if reading.file.stat().st_size <= small_bytes else in_process
    async with beside(reading) as following:
        yield following


@asynccontextmanager
async def in_thread(reading: Reading) -> AsyncIterator[NextChunk]:
    """Parses in a thread of this process."""
    with LineSource(reading.file) as source:
        reader = await asyncio.to_thread(reading.open, source)
        async with _ahead(reader.next) as following:
            yield following


@asynccontextmanager
async def in_process(reading: Reading) -> AsyncIterator[NextChunk]:
    """Parses in another process, which ends with this one however that ends: only this one reads its pipe."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_chunks, args=(reading, sender), daemon=True, name="millrace-import-parser")
    process.start()
    sender.close()
    try:
        async with _ahead(lambda: _receive(receiver)) as following:
            yield following
    finally:
        receiver.close()
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


def _receive(receiver: Connection) -> Chunk | None:
    try:
        received = receiver.recv()
    except EOFError:
        raise ImportFault("The process that reads the file ended unexpectedly; start the import again.") from None
    if isinstance(received, ImportFault):
        raise received
    return received if isinstance(received, Chunk) else None


def _send_chunks(reading: Reading, sender: Connection) -> None:
    # Ctrl-C reaches the whole group: the import decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with LineSource(reading.file) as source, collecting_by_chunk():
            reader = reading.open(source)
            while (chunk := reader.next()) is not None:
                sender.send(chunk)
                del chunk  # while it is held, the collector goes through all its rows
                collect()
        sender.send(None)
    except ImportFault as fault:
        sender.send(fault)
    except BrokenPipeError:
        return  # nobody reads any more
