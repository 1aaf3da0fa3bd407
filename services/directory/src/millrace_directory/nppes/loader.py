"""Imports an NPPES file into the directory, one transaction for each chunk of rows."""

import asyncio
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from asyncpg import Connection

from millrace_directory.bulk_import.errors import ImportFailedError
from millrace_directory.bulk_import.progress import ImportProgress
from millrace_directory.bulk_import.publisher import EventPublisher
from millrace_directory.bulk_import.rejects import RejectsFile, check_rejects_path
from millrace_directory.bulk_import.session import ImportSession, import_session
from millrace_directory.bulk_import.stats import ImportStats
from millrace_directory.bulk_import.writer import RowWriter
from millrace_directory.nppes.chunks import CHUNK_ROWS, Chunk, check_header
from millrace_directory.nppes.parser import SMALL_BYTES, FileRange, NextChunk, open_parser
from millrace_directory.nppes.run import ImportRun
from millrace_directory.nppes.source import digest_of
from millrace_feeds.clock import Clock, utc_now
from millrace_platform.ids import EventIds


@dataclass(frozen=True, slots=True)
class NppesImport:
    """Parameters of an import. `limit` is the maximum number of rows to read; with it the import stays unfinished.

    Each chunk of `chunk_rows` is one transaction; a file above `small_bytes` is parsed by a separate process.
    """

    database_url: str
    file: Path
    rejects: Path | None
    """Where rejected rows are listed; None for that of `rejects_path`."""
    limit: int | None
    clock: Clock
    ids: EventIds
    chunk_rows: int = CHUNK_ROWS
    small_bytes: int = SMALL_BYTES


async def import_nppes(parameters: NppesImport, progress: ImportProgress) -> ImportStats:
    """Import a file to its end; return the statistics of the whole file, including those of an interrupted import.

    Raise `ImportFailedError`. Committed chunks stay, and the next import of the same file continues after them.
    """
    if parameters.rejects is not None:
        check_rejects_path(parameters.rejects, [parameters.file])
    check_header(parameters.file)
    async with open_parser(parameters.file, small_bytes=parameters.small_bytes) as parser:
        digest = await asyncio.to_thread(digest_of, parameters.file, progress.show_identifying)
        async with import_session(parameters.database_url, parameters.clock, parameters.ids) as session:
            run = await ImportRun.resume_or_start(session.connection, digest, parameters.file, parameters.rejects)
            progress.show_start(run.line)
            file_range = FileRange(parameters.file, run.offset, run.line, parameters.limit, parameters.chunk_rows)
            try:
                with run.rejects_file() as rejects:
                    async with parser(file_range) as next_chunk:
                        await _Loader(parameters, session, run, rejects, progress).load(next_chunk)
            except ImportFailedError as error:
                error.stats = run.stats
                raise
            finally:
                run.stats.rejects = run.rejects
            return run.stats


@dataclass(frozen=True, slots=True)
class _Loader:
    parameters: NppesImport
    session: ImportSession
    run: ImportRun
    rejects: RejectsFile
    progress: ImportProgress

    async def load(self, next_chunk: NextChunk) -> None:
        while (chunk := await next_chunk()) is not None:
            await self._load_chunk(chunk)
        if self.parameters.limit is None:
            await self.session.run("import nppes end", lambda connection, _: self.run.save(connection, finished=True))

    async def _load_chunk(self, chunk: Chunk) -> None:
        run = self.run
        run.rejects_bytes = await asyncio.to_thread(self.rejects.write, chunk.rejects)
        before = run.stats.as_json()

        async def batch(connection: Connection, publisher: EventPublisher) -> None:
            await write_chunk(RowWriter(connection, publisher, utc_now(self.parameters.clock)), chunk)
            run.offset, run.line = chunk.offset, chunk.line
            run.stats = ImportStats.from_json(before)
            run.stats.add(chunk.stats)
            run.stats.events += publisher.published
            await run.save(connection, finished=False)

        await self.session.run("import nppes chunk", batch)
        self.progress.show_position(chunk.consumed, run.stats)


async def write_chunk(writer: RowWriter, chunk: Chunk) -> None:
    """Write a chunk's organizations, individuals and deactivated NPIs to the directory."""
    individuals, organizations = chunk.individuals.values(), chunk.organizations.values()
    deactivated = sorted(chunk.deactivations)
    await writer.write_organizations(
        [each.practice for each in organizations],
        chain((each.location for each in organizations), (each.location for each in individuals)),
        deactivated,
    )
    await writer.write_individuals(
        [each.provider for each in individuals],
        [each.provider_location for each in individuals],
        deactivated,
        save_addresses=True,
    )
