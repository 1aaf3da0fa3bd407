"""`millrace import nppes`: a file into the directory, chunk by chunk."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Protocol

from asyncpg import Connection

from millrace_directory.importing.chunks import CHUNK_ROWS, Chunk, check_header
from millrace_directory.importing.events import Emitter
from millrace_directory.importing.feeding import SMALL_BYTES, NextChunk, Parser, Reading, parser_of
from millrace_directory.importing.figures import Figures
from millrace_directory.importing.rejects import RejectsFile
from millrace_directory.importing.runs import Run
from millrace_directory.importing.session import ImportSession, import_session
from millrace_directory.importing.source import digest_of
from millrace_directory.importing.writing import Writer
from millrace_feeds.clock import Clock, utc_now
from millrace_platform.ids import EventIds


class Progress(Protocol):
    """Is told how an import goes on."""

    def reading(self, done: int) -> None:
        """So many more bytes of the file were looked through to recognize it."""

    def begin(self, line: int) -> None:
        """The import begins behind this line: 0, or where one was interrupted."""

    def importing(self, position: int, figures: Figures) -> None:
        """The file was read up to this byte, and what is in by now."""


@dataclass(frozen=True, slots=True)
class NppesImport:
    """What to import, and where to. `limit` bounds the rows that are read; such a run is never taken as finished.

    A chunk is one transaction; a file above `small_bytes` is parsed by a process of its own.
    """

    database_url: str
    file: Path
    rejects: Path | None
    limit: int | None
    clock: Clock
    ids: EventIds
    chunk_rows: int = CHUNK_ROWS
    small_bytes: int = SMALL_BYTES


async def import_nppes(order: NppesImport, progress: Progress) -> Figures:
    """Import a file to its end; gives the figures of all of it, of an interrupted import before too.

    Raises `ImportFault`; what was committed by then stays, and the next import of the same file goes on behind it.
    """
    check_header(order.file)
    async with parser_of(order.file, small_bytes=order.small_bytes) as parsed:
        digest = await asyncio.to_thread(digest_of, order.file, progress.reading)
        async with import_session(order.database_url, order.clock, order.ids) as session:
            return await _import(order, session, parsed, digest, progress)


async def _import(
    order: NppesImport, session: ImportSession, parsed: Parser, digest: str, progress: Progress
) -> Figures:
    run = await Run.find(session.connection, digest, order.file, order.rejects)
    progress.begin(run.line)
    reading = Reading(order.file, run.offset, run.line, order.limit, order.chunk_rows)
    with RejectsFile(order.rejects, run.rejects_bytes) as rejects:
        async with parsed(reading) as following:
            await _Load(order, session, run, rejects, progress).all_of(following)
    return run.figures


@dataclass(frozen=True, slots=True)
class _Load:
    order: NppesImport
    session: ImportSession
    run: Run
    rejects: RejectsFile
    progress: Progress

    async def all_of(self, following: NextChunk) -> None:
        while (chunk := await following()) is not None:
            await self._chunk(chunk)
        if self.order.limit is None:
            await self.session.run("import nppes end", self._finish)

    async def _chunk(self, chunk: Chunk) -> None:
        run = self.run
        run.rejects_bytes = await asyncio.to_thread(self.rejects.write, chunk.rejects)
        figures = Figures.from_json(run.figures.as_json())

        async def batch(connection: Connection, emitter: Emitter) -> None:
            await write_chunk(Writer(connection, emitter, self._now()), chunk)
            run.offset, run.line = chunk.offset, chunk.line
            run.figures = Figures.from_json(figures.as_json())
            run.figures.add(chunk.figures)
            run.figures.events += emitter.told
            await run.save(connection, finished=False)

        await self.session.run("import nppes chunk", batch)
        self.progress.importing(chunk.consumed, run.figures)

    async def _finish(self, connection: Connection, _: Emitter) -> None:
        await self.run.save(connection, finished=True)

    def _now(self) -> datetime:
        return utc_now(self.order.clock)


async def write_chunk(writer: Writer, chunk: Chunk) -> None:
    """Bring the directory to what the chunk's rows say."""
    individuals, organizations = chunk.individuals.values(), chunk.organizations.values()
    gone = sorted(chunk.deactivated)
    await writer.organizations(
        [each.practice for each in organizations],
        chain((each.location for each in organizations), (each.location for each in individuals)),
        gone,
    )
    await writer.individuals(
        [each.provider for each in individuals], [each.there for each in individuals], gone, remember=True
    )
