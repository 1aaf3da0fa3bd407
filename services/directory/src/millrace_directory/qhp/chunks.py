"""Reads the provider records of a QHP file in chunks, each NPI once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from millrace_directory.bulk_import.rejects import Reject, RejectedRowError
from millrace_directory.qhp.records import Facility, Individual, read_provider

CHUNK_RECORDS = 2_000
_FIRST_NPI, _NPIS = 100_000_000, 200_000_000  # NPIs begin with 1 or 2; the tenth digit is a check digit


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


@dataclass(slots=True)
class QhpChunk:
    """Converted provider records of a chunk, keyed by record number in the file; each NPI occurs once."""

    individuals: dict[int, Individual] = field(default_factory=dict)
    facilities: dict[int, Facility] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def records(self) -> list[Individual | Facility]:
        return [*self.individuals.values(), *self.facilities.values()]

    @property
    def size(self) -> int:
        return len(self.individuals) + len(self.facilities) + len(self.rejects)


def chunks_of(records: Iterable[object]) -> Iterator[QhpChunk]:
    """Yield the provider records in chunks; reject further records of an NPI. `Reject.line` is the record's number."""
    seen = NpiSet()
    chunk = QhpChunk()
    for number, record in enumerate(records, 1):
        try:
            read = read_provider(record)
            if not seen.add(read.npi):
                raise RejectedRowError("another record of the same NPI")
        except RejectedRowError as error:
            npi = record.get("npi") if isinstance(record, dict) else None
            chunk.rejects.append(Reject(number, str(npi or ""), str(error)))
        else:
            chunk.warnings += read.warnings
            if isinstance(read, Individual):
                chunk.individuals[number] = read
            else:
                chunk.facilities[number] = read
        if chunk.size >= CHUNK_RECORDS:
            yield chunk
            chunk = QhpChunk()
    if chunk.size:
        yield chunk
