"""The provider records of a QHP file in chunks, each NPI once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from millrace_directory.importing.chunks import Reject
from millrace_directory.importing.qhp import Facility, Person, read_provider
from millrace_directory.importing.rows import Rejected

CHUNK_RECORDS = 2_000
_FIRST_NPI, _NPIS = 100_000_000, 200_000_000  # they begin with 1 or 2; the first nine digits tell them apart


class SeenNpis:
    """Which NPIs came already, in 25 MB for all that there can be."""

    def __init__(self) -> None:
        self._bits = bytearray(_NPIS // 8)

    def add(self, npi: str) -> bool:
        """Whether it is new."""
        byte, bit = divmod(int(npi[:9]) - _FIRST_NPI, 8)
        new = not self._bits[byte] >> bit & 1
        self._bits[byte] |= 1 << bit
        return new


@dataclass(slots=True)
class QhpChunk:
    """Some records by their number in the file, each of another NPI."""

    people: dict[int, Person] = field(default_factory=dict)
    facilities: dict[int, Facility] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def records(self) -> list[Person | Facility]:
        return [*self.people.values(), *self.facilities.values()]

    @property
    def size(self) -> int:
        return len(self.people) + len(self.facilities) + len(self.rejects)


def chunks_of(records: Iterable[object]) -> Iterator[QhpChunk]:
    """The provider records in chunks; the first record of an NPI counts. A reject's line is the record's number."""
    seen = SeenNpis()
    chunk = QhpChunk()
    for number, record in enumerate(records, 1):
        try:
            read = read_provider(record)
            if not seen.add(read.npi):
                raise Rejected("another record of the same NPI")
        except Rejected as fault:
            npi = record.get("npi") if isinstance(record, dict) else None
            chunk.rejects.append(Reject(number, str(npi or ""), str(fault)))
        else:
            chunk.warnings += read.warnings
            if isinstance(read, Person):
                chunk.people[number] = read
            else:
                chunk.facilities[number] = read
        if chunk.size >= CHUNK_RECORDS:
            yield chunk
            chunk = QhpChunk()
    if chunk.size:
        yield chunk
