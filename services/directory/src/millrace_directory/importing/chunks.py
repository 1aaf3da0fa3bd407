"""The rows of an NPPES file in chunks, each with the position behind it."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec

from millrace_directory.importing.errors import UnusableFileError
from millrace_directory.importing.figures import DEACTIVATIONS, INDIVIDUALS, ORGANIZATIONS, Figures
from millrace_directory.importing.nppes import Deactivated, Individual, Layout, Organization
from millrace_directory.importing.rows import Rejected
from millrace_directory.importing.source import LineSource

CHUNK_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that can't be used. `line` is that of the file, counted from 1."""

    line: int
    npi: str
    reason: str


@dataclass(slots=True)
class Chunk:
    """Rows by NPI: of several rows of one NPI the last one counts. `offset` and `line` are the position behind them."""

    individuals: dict[str, Individual] = field(default_factory=dict)
    organizations: dict[str, Organization] = field(default_factory=dict)
    deactivated: dict[str, Deactivated] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    figures: Figures = field(default_factory=Figures)
    offset: int = 0
    line: int = 0
    consumed: int = 0

    def add(self, item: Individual | Organization | Deactivated) -> None:
        match item:
            case Individual():
                npi, kind = item.provider.npi, INDIVIDUALS
                self._forget(npi)
                self.individuals[npi] = item
                if item.warnings:
                    self.figures.warnings.update(item.warnings)
            case Organization():
                npi, kind = item.practice.npi, ORGANIZATIONS
                self._forget(npi)
                self.organizations[npi] = item
            case Deactivated():
                npi, kind = item.npi, DEACTIVATIONS
                self._forget(npi)
                self.deactivated[npi] = item
        self.figures.used[kind] += 1

    def _forget(self, npi: str) -> None:
        self.individuals.pop(npi, None)
        self.organizations.pop(npi, None)
        self.deactivated.pop(npi, None)

    def reject(self, reject: Reject) -> None:
        self.rejects.append(reject)
        self.figures.rejected[reject.reason] += 1

    def __reduce__(self) -> tuple[Callable[[bytes], Self], tuple[bytes]]:
        # To another process as one message: to pickle row by row takes both of them as long as to parse the rows.
        return type(self).unpacked, (_pack(self),)

    @classmethod
    def unpacked(cls, packed: bytes) -> Self:
        """The chunk that was pickled as this."""
        return msgspec.msgpack.decode(packed, type=cls, dec_hook=lambda kind, counts: kind(counts))


_pack = msgspec.msgpack.Encoder().encode


class ChunkReader:
    """Reads the chunks of a source behind its header. `next` gives None at the end, or when `limit` rows were read."""

    def __init__(self, source: LineSource, *, size: int = CHUNK_ROWS, limit: int | None = None) -> None:
        self._source = source
        self._size = size
        self._left = limit
        self._layout, self._lines = _read_header(source)

    def skip_to(self, offset: int, line: int) -> None:
        self._source.skip_to(offset, line)
        self._lines = iter(self._source)

    def next(self) -> Chunk | None:
        """The next rows. Raises `UnusableFileError` where the file is damaged."""
        size = self._size if self._left is None else min(self._size, self._left)
        chunk = Chunk()
        self._read(chunk, size)
        if self._left is not None:
            self._left -= chunk.figures.rows
        chunk.offset, chunk.line, chunk.consumed = self._source.offset, self._source.line, self._source.consumed
        return chunk if chunk.figures.rows else None

    def _read(self, chunk: Chunk, size: int) -> None:
        if size == 0:
            return
        read, left = self._layout.read, size
        # The CSV reader takes no line beyond the one that ends a row, so the source's position is that of the row.
        for row in csv.reader(self._lines):
            try:
                chunk.add(read(row))
            except Rejected as fault:
                chunk.reject(Reject(self._source.line, row[0] if row else "", str(fault)))
            left -= 1
            if left == 0:
                return


def _read_header(source: LineSource) -> tuple[Layout, Iterator[str]]:
    lines = iter(source)
    try:
        header = next(csv.reader(lines))
    except StopIteration:
        raise UnusableFileError("The file is empty: the header of an NPPES file is expected.") from None
    except csv.Error as error:
        raise UnusableFileError(f"The header isn't that of an NPPES file: {error}.") from error
    header[:1] = [name.removeprefix("\ufeff").strip('"') for name in header[:1]]
    return Layout(header), lines


def check_header(file: Path) -> None:
    """Raises `UnusableFileError` unless the file begins as an NPPES file does."""
    with LineSource(file) as source:
        _read_header(source)
