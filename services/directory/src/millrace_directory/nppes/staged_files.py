"""The rows of the reference files in the database, where the import of the main file looks them up by NPI.

The files aren't sorted by NPI and are too large for memory. An import loads them before its first row of the main file.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from asyncpg import Connection

from millrace_directory.bulk_import.rejects import Reject, RejectedRowError
from millrace_directory.nppes.parts import Part, Parts, open_part
from millrace_directory.nppes.records import IDENTIFIER
from millrace_directory.nppes.reference_files import (
    OtherName,
    RowChunk,
    SecondaryLocation,
    other_name_layout,
    practice_location_layout,
    read_chunks,
)
from millrace_directory.nppes.source import LineSource

MAX_ROWS_OF_NPI: Final = 5_000
"""Maximum number of rows of one NPI, so that those of a chunk's NPIs fit into memory."""
REMAINING_ROWS: Final = 5_000
TOO_MANY: Final = f"more than {MAX_ROWS_OF_NPI:,} rows of this NPI"
UNKNOWN_NPI: Final = "no usable row with this NPI in the main file"

_CLEAR = """
TRUNCATE nppes_practice_location, nppes_other_name;
UPDATE import_run SET reference_files_loaded = false WHERE reference_files_loaded;
"""
_ANALYZE = "ANALYZE nppes_practice_location (npi), nppes_other_name (npi)"
_CUT = """
DELETE FROM {table} AS t USING (
    SELECT npi, line, row_number() OVER (PARTITION BY npi ORDER BY line) AS number FROM {table}
    WHERE npi IN (SELECT npi FROM {table} GROUP BY npi HAVING count(*) > $1)
) AS numbered
WHERE t.npi = numbered.npi AND t.line = numbered.line AND numbered.number > $1
RETURNING t.npi, t.line
"""
_TAKE = "UPDATE {table} SET used = true WHERE npi = ANY($1) RETURNING {columns}"
_LINES = "SELECT npi, line FROM {table} WHERE npi = ANY($1) ORDER BY line"
_REMAINING = "SELECT npi FROM {table} WHERE npi > $1 AND NOT used ORDER BY npi LIMIT $2"


class _Table(NamedTuple):
    """A table for the rows of one reference file."""

    name: str
    row: type[SecondaryLocation] | type[OtherName]
    layout: Callable[[LineSource], Any]

    @property
    def columns(self) -> Sequence[str]:
        return self.row._fields


_TABLES: Final[Mapping[Part, _Table]] = {
    Part.PRACTICE_LOCATIONS: _Table("nppes_practice_location", SecondaryLocation, practice_location_layout),
    Part.OTHER_NAMES: _Table("nppes_other_name", OtherName, other_name_layout),
}


def check_layouts(parts: Parts) -> None:
    """Raise `UnusableFileError` if a reference file lacks a column."""
    for part in parts.keys() & _TABLES.keys():
        with open_part(parts, part) as source:
            _TABLES[part].layout(source)


async def clear(connection: Connection) -> None:
    """Remove the rows of an earlier import, which then can't be continued."""
    await connection.execute(_CLEAR)


async def copy_rows(connection: Connection, part: Part, chunk: RowChunk[Any]) -> None:
    table = _TABLES[part]
    await connection.copy_records_to_table(table.name, columns=table.columns, records=chunk.rows)


async def finish_loading(connection: Connection, parts: Parts) -> list[Reject]:
    """Remove the rows of an NPI above the maximum, and return them; update the statistics of the query planner."""
    rejects = []
    for part in parts.keys() & _TABLES.keys():
        rows = await connection.fetch(_CUT.format(table=_TABLES[part].name), MAX_ROWS_OF_NPI)
        rejects += [_reject(TOO_MANY, parts[part].name, row["npi"], row["line"]) for row in rows]
    await connection.execute(_ANALYZE)
    return rejects


def chunks_of(source: LineSource, part: Part) -> Iterator[RowChunk[Any]]:
    """Yield the rows of a reference file in chunks; raise `UnusableFileError` if it is damaged."""
    return read_chunks(source, _TABLES[part].layout(source))


async def take_practice_locations(
    connection: Connection, npis: Sequence[str]
) -> Mapping[str, Sequence[SecondaryLocation]]:
    """Return the secondary practice locations by NPI in the order of the file, and mark them as used."""
    rows = [SecondaryLocation(*row) for row in await _take(connection, Part.PRACTICE_LOCATIONS, npis)]
    return _by_npi([row._replace(location_id=str(row.location_id)) for row in rows])


async def take_other_names(connection: Connection, npis: Sequence[str]) -> Mapping[str, Sequence[OtherName]]:
    """Return the other names by NPI in the order of the file, and mark them as used."""
    return _by_npi([OtherName(*row) for row in await _take(connection, Part.OTHER_NAMES, npis)])


async def remaining_npis(connection: Connection, part: Part, after: str) -> Sequence[str]:
    """Return the next NPIs after this one whose rows weren't used; none at the end."""
    rows = await connection.fetch(_REMAINING.format(table=_TABLES[part].name), after, REMAINING_ROWS)
    return sorted({row["npi"] for row in rows})


async def reject_rows(connection: Connection, part: Part, file: str, npis: Sequence[str]) -> list[Reject]:
    """Return rejects for all rows of these NPIs, in the order of the file with this name."""
    rows = await connection.fetch(_LINES.format(table=_TABLES[part].name), npis)
    return [_reject(UNKNOWN_NPI, file, row["npi"], row["line"]) for row in rows]


def _reject(reason: str, file: str, npi: str, line: int) -> Reject:
    return Reject.of(RejectedRowError(reason, IDENTIFIER, npi), file, line, npi)


async def _take(connection: Connection, part: Part, npis: Sequence[str]) -> Sequence[Any]:
    table = _TABLES[part]
    statement = _TAKE.format(table=table.name, columns=", ".join(table.columns))
    rows: Sequence[Any] = await connection.fetch(statement, npis)
    return rows


def _by_npi(rows: Sequence[Any]) -> Mapping[str, Sequence[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: int(row.line)):
        found[row.npi].append(row)
    return found
