"""Reads the rows of an NPPES file in chunks. Each chunk has the position of its end, where an import can continue."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec

from millrace_directory.bulk_import.errors import UnusableFileError
from millrace_directory.bulk_import.rejects import Reject, RejectedRowError
from millrace_directory.bulk_import.stats import DEACTIVATIONS, INDIVIDUALS, ORGANIZATIONS, ImportStats
from millrace_directory.nppes.records import Deactivation, Individual, Layout, Organization, Record
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
        self._layout, self._lines = _read_header(source)

    def skip_to(self, offset: int, line: int) -> None:
        self._source.skip_to(offset, line)
        self._lines = iter(self._source)

    def next(self) -> Chunk | None:
        """Return the next chunk, None after the last one; raise `UnusableFileError` if the file is damaged."""
        size = self._size if self._left is None else min(self._size, self._left)
        chunk = Chunk()
        self._read(chunk, size)
        if self._left is not None:
            self._left -= chunk.stats.rows
        chunk.offset, chunk.line, chunk.consumed = self._source.offset, self._source.line, self._source.consumed
        return chunk if chunk.stats.rows else None

    def _read(self, chunk: Chunk, size: int) -> None:
        if size == 0:
            return
        read, left = self._layout.read, size
        # The CSV reader doesn't read lines ahead, so the source's position is that after the row.
        for row in csv.reader(self._lines):
            try:
                chunk.add(read(row))
            except RejectedRowError as error:
                chunk.reject(Reject(self._source.line, row[0] if row else "", str(error)))
            left -= 1
            if left == 0:
                return


def _read_header(source: LineSource) -> tuple[Layout, Iterator[str]]:
    lines = iter(source)
    try:
        header = next(csv.reader(lines))
    except StopIteration:
        raise UnusableFileError("The file is empty: it should begin with the header of an NPPES file.") from None
    except csv.Error as error:
        raise UnusableFileError(f"The header isn't that of an NPPES file: {error}.") from error
    header[:1] = [name.removeprefix("\ufeff").strip('"') for name in header[:1]]
    return Layout(header), lines


def check_header(file: Path) -> None:
    """Raise `UnusableFileError` unless the file begins with the header of an NPPES file."""
    with LineSource(file) as source:
        _read_header(source)
