"""Reads the rows of an NPPES file in chunks. Each chunk has the position of its end, where an import can continue."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec

from millrace_directory.bulk_import.errors import UnusableFileError
from millrace_directory.bulk_import.rejects import Reject, RejectedRowError
from millrace_directory.bulk_import.stats import DEACTIVATIONS, INDIVIDUALS, ORGANIZATIONS, ImportStats
from millrace_directory.nppes.csv_rows import CsvRows
from millrace_directory.nppes.parts import read_header
from millrace_directory.nppes.records import IDENTIFIER, Deactivation, Individual, Layout, Organization, Record
from millrace_directory.nppes.source import LineSource

CHUNK_ROWS = 5_000


@dataclass(slots=True)
class Chunk:
    """Converted rows by NPI: only the last of several rows with one NPI.

    `offset` (bytes) and `line` are the position after them; `consumed` is the number of bytes read from the disk.
    """

    individuals: dict[str, Individual] = field(default_factory=dict)
    organizations: dict[str, Organization] = field(default_factory=dict)
    deactivations: dict[str, Deactivation] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    stats: ImportStats = field(default_factory=ImportStats)
    offset: int = 0
    line: int = 0
    consumed: int = 0

    def add(self, record: Record) -> None:
        match record:
            case Individual():
                npi, kind = record.provider.npi, INDIVIDUALS
                self._remove(npi)
                self.individuals[npi] = record
                if record.warnings:
                    self.stats.warnings.update(record.warnings)
            case Organization():
                npi, kind = record.practice.npi, ORGANIZATIONS
                self._remove(npi)
                self.organizations[npi] = record
            case Deactivation():
                npi, kind = record.npi, DEACTIVATIONS
                self._remove(npi)
                self.deactivations[npi] = record
        self.stats.used[kind] += 1

    def _remove(self, npi: str) -> None:
        self.individuals.pop(npi, None)
        self.organizations.pop(npi, None)
        self.deactivations.pop(npi, None)

    def reject(self, reject: Reject) -> None:
        self.rejects.append(reject)
        self.stats.rejected[reject.reason] += 1

    def __reduce__(self) -> tuple[Callable[[bytes], Self], tuple[bytes]]:
        # Pickled for the other process as one message: row by row it would take as long as parsing.
        return type(self).unpack, (_pack(self),)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Return the chunk that `__reduce__` packed."""
        return msgspec.msgpack.decode(packed, type=cls, dec_hook=lambda kind, counts: kind(counts))


_pack = msgspec.msgpack.Encoder().encode


class ChunkReader:
    """Reads up to `limit` rows of a source after its header, in chunks of `size` rows."""

    def __init__(self, source: LineSource, *, size: int = CHUNK_ROWS, limit: int | None = None) -> None:
        self._source = source
        self._size = size
        self._left = limit
        self._layout = read_layout(source)
        self._rows = CsvRows(source, self._layout.header, IDENTIFIER)
        self._damage: UnusableFileError | None = None

    def skip_to(self, offset: int, line: int) -> None:
        self._source.skip_to(offset, line)

    def next(self) -> Chunk | None:
        """Return the next chunk, None after the last one; raise `UnusableFileError` if the file is damaged."""
        if self._damage is not None:
            raise self._damage
        size = self._size if self._left is None else min(self._size, self._left)
        chunk = Chunk()
        try:
            self._read(chunk, size)
        except UnusableFileError as error:
            self._damage = error
            if not chunk.stats.rows:
                raise
        if self._left is not None:
            self._left -= chunk.stats.rows
        chunk.offset, chunk.line, chunk.consumed = self._source.offset, self._source.line, self._source.consumed
        return chunk if chunk.stats.rows else None

    def _read(self, chunk: Chunk, size: int) -> None:
        rows, read = self._rows, self._layout.read
        for _ in range(size):
            try:
                chunk.add(read(next(rows)))
            except RejectedRowError as error:
                chunk.reject(Reject.of(error, self._source.name, rows.line, rows.identifier))
            except StopIteration:
                return


def read_layout(source: LineSource) -> Layout:
    """Read the header of an NPPES file; raise `UnusableFileError` if it isn't one."""
    return Layout(read_header(source))


def check_header(file: Path) -> None:
    """Raise `UnusableFileError` unless the file begins with the header of an NPPES file."""
    with LineSource(file) as source:
        read_layout(source)
