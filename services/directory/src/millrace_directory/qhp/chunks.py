"""Reads the provider records of a QHP file in chunks, each NPI once."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from millrace_directory.bulk_import.errors import UnusableFileError
from millrace_directory.bulk_import.rejects import Reject, RejectedRowError
from millrace_directory.qhp.json_array import Element, JsonArray
from millrace_directory.qhp.records import Facility, Individual, identifier, read_provider

R = TypeVar("R")

CHUNK_RECORDS = 2_000
_FIRST_NPI, _NPIS = 100_000_000, 200_000_000  # NPIs begin with 1 or 2; the tenth digit is a check digit
_IDENTIFIER = re.compile(r'"(?:npi|plan_id)"\s*:\s*"([A-Za-z0-9._-]{1,64})"')


class NpiSet:
    """A set of NPIs in 25 MB, with a bit for each possible NPI."""

    def __init__(self) -> None:
        self._bits = bytearray(_NPIS // 8)

    def add(self, npi: str) -> bool:
        """Add an NPI; return False if the set already contains it."""
        byte, bit = divmod(int(npi[:9]) - _FIRST_NPI, 8)
        new = not self._bits[byte] >> bit & 1
        self._bits[byte] |= 1 << bit
        return new


class Place(NamedTuple):
    """The file of a record, the line in which it begins, and its number."""

    file: str
    line: int
    number: int

    def reject(self, error: RejectedRowError, npi: str) -> Reject:
        return Reject.of(error, self.file, self.line, npi, self.number)


@dataclass(slots=True)
class QhpChunk:
    """Converted provider records of a chunk by their places in the file; each NPI occurs once."""

    individuals: dict[Place, Individual] = field(default_factory=dict)
    facilities: dict[Place, Facility] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    warnings: list[Reject] = field(default_factory=list)
    """Values that are ignored in used records."""

    @property
    def records(self) -> list[Individual | Facility]:
        return [*self.individuals.values(), *self.facilities.values()]

    @property
    def size(self) -> int:
        return len(self.individuals) + len(self.facilities) + len(self.rejects)


def chunks_of(records: JsonArray) -> Iterator[QhpChunk]:
    """Yield the provider records in chunks; reject further records of an NPI.

    If the file is damaged, the records before the damage are yielded before `UnusableFileError` is raised.
    """
    seen = NpiSet()
    chunk = QhpChunk()
    try:
        for element in records:
            _add(chunk, records.name, element, seen)
            if chunk.size >= CHUNK_RECORDS:
                yield chunk
                chunk = QhpChunk()
    except UnusableFileError:
        if chunk.size:
            yield chunk
        raise
    if chunk.size:
        yield chunk


def _add(chunk: QhpChunk, file: str, element: Element, seen: NpiSet) -> None:
    try:
        read = read_element(element, read_provider)
        if not seen.add(read.npi):
            raise RejectedRowError("another record of the same NPI", "npi", read.npi)
    except RejectedRowError as error:
        chunk.rejects.append(reject_of(error, file, element))
        return
    chunk.warnings += [reject_of(warning, file, element) for warning in read.warnings]
    place = Place(file, element.line, element.number)
    if isinstance(read, Individual):
        chunk.individuals[place] = read
    else:
        chunk.facilities[place] = read


def read_element(element: Element, read: Callable[[object], R]) -> R:
    """Return the converted element; raise `RejectedRowError` if it can't be read or is unusable."""
    if element.fault is not None:
        raise element.fault
    return read(element.value)


def reject_of(error: RejectedRowError, file: str, element: Element) -> Reject:
    found = _IDENTIFIER.search(error.value) if element.fault else None
    known = identifier(element.value) if found is None else found.group(1)
    return Reject.of(error, file, element.line, known, element.number)
