"""Imports an NPPES publication into the directory, one transaction for each chunk of rows."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from asyncpg import Connection

from millrace_directory.bulk_import.errors import ImportFailedError
from millrace_directory.bulk_import.progress import ImportProgress
from millrace_directory.bulk_import.publisher import EventPublisher
from millrace_directory.bulk_import.rejects import Reject, RejectsFile, check_rejects_path
from millrace_directory.bulk_import.session import ImportSession, import_session
from millrace_directory.bulk_import.stats import FORMER_NAMES, OTHER_NAMES, SECONDARY_LOCATIONS, ImportStats
from millrace_directory.bulk_import.writer import RowWriter
from millrace_directory.nppes import staged_files
from millrace_directory.nppes.chunks import CHUNK_ROWS, Chunk, check_header
from millrace_directory.nppes.parser import SMALL_BYTES, FileRange, NextChunk, open_parser
from millrace_directory.nppes.parts import Part, Parts, digest_of_all, find_parts, open_part
from millrace_directory.nppes.run import ImportRun
from millrace_directory.nppes.writer import References, find_known, write_chunk, write_remaining
from millrace_feeds.clock import Clock, utc_now
from millrace_platform.ids import EventIds


@dataclass(frozen=True, slots=True)
class NppesImport:
    """Parameters of an import. `limit` is the maximum number of rows to read; with it the import stays unfinished.

    `files` are the zip of a publication, or its unpacked files. Each chunk of `chunk_rows` is one transaction; a main
    file above `small_bytes` is parsed by a separate process.
    """

    database_url: str
    files: Sequence[Path]
    rejects: Path | None
    """Where rejected rows are listed; None for that of `rejects_path`."""
    limit: int | None
    clock: Clock
    ids: EventIds
    chunk_rows: int = CHUNK_ROWS
    small_bytes: int = SMALL_BYTES


async def import_nppes(parameters: NppesImport, progress: ImportProgress) -> ImportStats:
    """Import a publication to its end; return the statistics of all files, including those of an interrupted import.

    Raise `ImportFailedError`. Committed chunks stay, and the next import of the same files continues after them.
    """
    if parameters.rejects is not None:
        check_rejects_path(parameters.rejects, parameters.files)
    parts = await asyncio.to_thread(_check_files, parameters.files)
    main = parts[Part.MAIN].path
    has_reference_files = len(parts) > 1
    async with open_parser(main, small_bytes=parameters.small_bytes) as parser:
        digest = await asyncio.to_thread(digest_of_all, parts, progress.show_identifying)
        async with import_session(parameters.database_url, parameters.clock, parameters.ids) as session:
            run = await ImportRun.resume_or_start(
                session.connection, digest, main, parameters.rejects, has_reference_files=has_reference_files
            )
            progress.show_start(run.line)
            try:
                with run.rejects_file() as rejects:
                    loader = _Loader(parameters, parts, session, run, rejects, progress)
                    if has_reference_files and not run.reference_files_loaded:
                        await loader.load_reference_files()
                    file_range = FileRange(main, run.offset, run.line, parameters.limit, parameters.chunk_rows)
                    async with parser(file_range) as next_chunk:
                        await loader.load(next_chunk)
            except ImportFailedError as error:
                error.stats = run.stats
                raise
            finally:
                run.stats.rejects = run.rejects
            return run.stats


def _check_files(files: Sequence[Path]) -> Parts:
    """Return the parts in these files; raise `UnusableFileError` if one has another format."""
    parts = find_parts(files)
    check_header(parts[Part.MAIN].path)
    staged_files.check_layouts(parts)
    return parts


@dataclass(frozen=True, slots=True)
class _Loader:
    parameters: NppesImport
    parts: Parts
    session: ImportSession
    run: ImportRun
    rejects: RejectsFile
    progress: ImportProgress

    async def load_reference_files(self) -> None:
        """Copy the rows of the reference files into the database; nothing else changes before they are complete."""
        run, connection = self.run, self.session.connection
        await self.session.run("import nppes clear", lambda connection, _: staged_files.clear(connection))
        for part in self.parts.keys() - {Part.MAIN}:
            with open_part(self.parts, part) as source:
                chunks = staged_files.chunks_of(source, part)
                while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                    await staged_files.copy_rows(connection, part, chunk)
                    if chunk.unneeded:
                        run.stats.warnings[FORMER_NAMES] += chunk.unneeded
                    await self._reject(chunk.rejects)
                    self.progress.show_position(source.consumed, run.stats)
        await self._reject(await staged_files.finish_loading(connection, self.parts))
        run.reference_files_loaded = True
        await self.session.run("import nppes loaded", lambda connection, _: run.save(connection, finished=False))

    async def load(self, next_chunk: NextChunk) -> None:
        """Import the main file, and the rows of the reference files with the same NPIs."""
        while (chunk := await next_chunk()) is not None:
            await self._load_chunk(chunk)
        if self.parameters.limit is None:
            await self._load_remaining()
            await self.session.run("import nppes end", self._finish)

    async def _load_chunk(self, chunk: Chunk) -> None:
        run = self.run
        run.rejects_bytes = await asyncio.to_thread(self.rejects.write, chunk.rejects)
        before = run.stats.as_json()

        async def batch(connection: Connection, publisher: EventPublisher) -> None:
            references = await self._references(connection, chunk)
            await write_chunk(RowWriter(connection, publisher, utc_now(self.parameters.clock)), chunk, references)
            run.offset, run.line = chunk.offset, chunk.line
            run.stats = ImportStats.from_json(before)
            run.stats.add(chunk.stats)
            run.stats.used += _count(references)
            run.stats.events += publisher.published
            await run.save(connection, finished=False)

        await self.session.run("import nppes chunk", batch)
        self.progress.show_position(chunk.consumed, run.stats)

    async def _references(self, connection: Connection, chunk: Chunk) -> References:
        organizations = list(chunk.organizations)
        locations = names = None
        if Part.PRACTICE_LOCATIONS in self.parts:
            locations = await staged_files.take_practice_locations(connection, [*organizations, *chunk.individuals])
        if Part.OTHER_NAMES in self.parts:
            names = await staged_files.take_other_names(connection, organizations)
        return References(locations, names or {})

    async def _load_remaining(self) -> None:
        """Import the secondary locations whose NPIs only the directory has; reject the other rows that weren't used."""
        connection = self.session.connection
        for part in self.parts.keys() - {Part.MAIN}:
            npi = ""
            while npis := await staged_files.remaining_npis(connection, part, npi):
                npi = npis[-1]
                known = await find_known(connection, npis) if part is Part.PRACTICE_LOCATIONS else set()
                unknown = sorted({*npis} - known)
                await self._reject(await staged_files.reject_rows(connection, part, self.parts[part].name, unknown))
                await self._take_remaining(part, npis, known)

    async def _take_remaining(self, part: Part, npis: Sequence[str], known: AbstractSet[str]) -> None:
        run = self.run
        before = run.stats.as_json()

        async def batch(connection: Connection, publisher: EventPublisher) -> None:
            run.stats = ImportStats.from_json(before)
            if part is Part.PRACTICE_LOCATIONS:
                taken = await staged_files.take_practice_locations(connection, npis)
                locations = {npi: rows for npi, rows in taken.items() if npi in known}
                await write_remaining(
                    connection, RowWriter(connection, publisher, utc_now(self.parameters.clock)), locations
                )
                run.stats.used += _count(References(locations, {}))
            else:
                await staged_files.take_other_names(connection, npis)
            run.stats.events += publisher.published
            await run.save(connection, finished=False)

        await self.session.run("import nppes remaining", batch)

    async def _reject(self, rejects: Sequence[Reject]) -> None:
        self.run.rejects_bytes = await asyncio.to_thread(self.rejects.write, rejects)
        self.run.stats.rejected.update(each.reason for each in rejects)

    async def _finish(self, connection: Connection, _: EventPublisher) -> None:
        if len(self.parts) > 1:
            await staged_files.clear(connection)
            self.run.reference_files_loaded = False
        await self.run.save(connection, finished=True)


def _count(references: References) -> Counter[str]:
    """Return the numbers of the used rows of the reference files, without zeros."""
    counts = {
        SECONDARY_LOCATIONS: sum(map(len, (references.locations or {}).values())),
        OTHER_NAMES: sum(map(len, references.names.values())),
    }
    return Counter({name: count for name, count in counts.items() if count})
