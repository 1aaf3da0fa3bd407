"""Converts rows of the reference files of NPPES: secondary practice locations, and other names of organizations.

Source: CMS, "NPPES Data Dissemination – Readme", exhibits 2-2 and 2-3. The main file has the first practice location of
an NPI, the reference file all others; likewise the first other name. A weekly publication has the rows of those NPIs
that its main file has.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from millrace_directory.bulk_import.errors import UnusableFileError
from millrace_directory.bulk_import.rejects import Reject, RejectedRowError
from millrace_directory.bulk_import.rows import LocationRow, location_row, optional, text
from millrace_directory.nppes.csv_rows import CsvRows
from millrace_directory.nppes.parts import read_header
from millrace_directory.nppes.records import COUNTRIES, IDENTIFIER, clean_fields
from millrace_directory.nppes.source import LineSource
from millrace_reference.npi import is_valid_npi
from millrace_reference.nppes import DOING_BUSINESS_AS, OTHER_NAME_COLUMNS, PRACTICE_LOCATION_COLUMNS

CHUNK_ROWS: Final = 5_000
_LINE1, _LINE2, _CITY, _STATE, _ZIP, _COUNTRY, _PHONE = PRACTICE_LOCATION_COLUMNS[1:8]
_ADDRESS_COLUMNS = {"line1": _LINE1, "city": _CITY, "state": _STATE, "zip": _ZIP}
_, _NAME, _TYPE = OTHER_NAME_COLUMNS[:3]
R_co = TypeVar("R_co", covariant=True)


class SecondaryLocation(NamedTuple):
    """A further practice location of an NPI. Fields are columns of `nppes_practice_location`."""

    npi: str
    line: int
    location_id: str
    line1: str
    line2: str | None
    city: str
    state: str
    zip: str
    phone: str | None

    @property
    def location(self) -> LocationRow:
        return LocationRow(self.location_id, self.line1, self.line2, self.city, self.state, self.zip)


class OtherName(NamedTuple):
    """A name under which an organization does business. Fields are columns of `nppes_other_name`."""

    npi: str
    line: int
    name: str


class RowLayout(Protocol[R_co]):
    """Converts the rows of a reference file."""

    header: Sequence[str]

    def read(self, row: Sequence[str], line: int) -> R_co | None:
        """Return the converted row, None if it isn't needed; raise `RejectedRowError` if it is unusable."""


class PracticeLocationLayout:
    """Layout of the Practice Location Reference File, `pl_pfile`."""

    def __init__(self, header: Sequence[str]) -> None:
        self.header = header
        self._names = (IDENTIFIER, _LINE1, _LINE2, _CITY, _STATE, _ZIP, _COUNTRY, _PHONE)
        self._fields = _getter(header, self._names)

    def read(self, row: Sequence[str], line: int) -> SecondaryLocation:
        npi, line1, line2, city, state, zip_code, country, phone = clean_fields(self._names, self._fields(row))
        _check_npi(npi)
        if text(country).upper() not in COUNTRIES:
            raise RejectedRowError("practice address outside the country", _COUNTRY, country)
        try:
            location = location_row(line1, line2, city, state, zip_code)
        except RejectedRowError as error:
            raise RejectedRowError(error.reason, _ADDRESS_COLUMNS[error.field], error.value) from None
        return SecondaryLocation(npi, line, *location, optional(phone))


class OtherNameLayout:
    """Layout of the Other Name Reference File, `othername_pfile`; former and other names aren't needed."""

    def __init__(self, header: Sequence[str]) -> None:
        self.header = header
        self._names = (IDENTIFIER, _NAME, _TYPE)
        self._fields = _getter(header, self._names)

    def read(self, row: Sequence[str], line: int) -> OtherName | None:
        npi, name, kind = clean_fields(self._names, self._fields(row))
        _check_npi(npi)
        if not text(name):
            raise RejectedRowError("no name", _NAME, name)
        return OtherName(npi, line, text(name)) if kind == DOING_BUSINESS_AS else None


class RowChunk(NamedTuple, Generic[R_co]):
    """Converted rows of a reference file, the rejected ones, and the number of those that aren't needed."""

    rows: list[R_co]
    rejects: list[Reject]
    unneeded: int


def read_chunks(source: LineSource, layout: RowLayout[R_co]) -> Iterator[RowChunk[R_co]]:
    """Yield the rows below the header in chunks of at most `CHUNK_ROWS`; raise `UnusableFileError` if it is damaged."""
    rows = CsvRows(source, layout.header, IDENTIFIER)
    found: list[R_co] = []
    rejects: list[Reject] = []
    unneeded = 0
    while True:
        try:
            converted = layout.read(next(rows), rows.line)
        except RejectedRowError as error:
            rejects.append(Reject.of(error, source.name, rows.line, rows.identifier))
        except StopIteration:
            yield RowChunk(found, rejects, unneeded)
            return
        else:
            if converted is None:
                unneeded += 1
            else:
                found.append(converted)
        if len(found) + len(rejects) >= CHUNK_ROWS:
            yield RowChunk(found, rejects, unneeded)
            found, rejects, unneeded = [], [], 0


def practice_location_layout(source: LineSource) -> PracticeLocationLayout:
    return PracticeLocationLayout(read_header(source))


def other_name_layout(source: LineSource) -> OtherNameLayout:
    return OtherNameLayout(read_header(source))


def _getter(header: Sequence[str], names: Sequence[str]) -> Callable[[Sequence[str]], Sequence[str]]:
    missing = [name for name in names if name not in header]
    if missing:
        raise UnusableFileError(f"A reference file of NPPES lacks {len(missing)} columns, first {missing[0]!r}.")
    getter: Callable[[Sequence[str]], Sequence[str]] = itemgetter(*map(header.index, names))
    return getter


def _check_npi(npi: str) -> None:
    if not is_valid_npi(npi):
        raise RejectedRowError("wrong NPI check digit", IDENTIFIER, npi)
