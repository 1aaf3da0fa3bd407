"""Rows of NPPES files, and a client of an empty database of the directory service."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from millrace_contracts.entities import Entity
from millrace_contracts.envelope import Envelope, decode
from millrace_contracts.registry import decode_entity
from millrace_directory.bulk_import.stats import ImportStats
from millrace_directory.nppes.loader import NppesImport, import_nppes
from millrace_directory.qhp.loader import QhpImport, import_qhp
from millrace_feeds.clock import Clock, SystemClock
from millrace_platform.ids import Uuid7
from millrace_reference.nppes import COLUMNS, address_columns
from services.directory.tests.running import npi

DERMATOLOGY, CARDIOLOGY, INTERNAL, DENTIST = "207N00000X", "207RC0000X", "207R00000X", "1223G0001X"
COUNTRY = "Provider Business Practice Location Address Country Code (If outside U.S.)"
Row = dict[str, str]


def address(
    line1: str = "635 W 165TH ST", city: str = "NEW YORK", state: str = "NY", zip_code: str = "100323724"
) -> Row:
    values = (line1, "", city, state, zip_code, "US", "2123050000", "")
    return dict(zip(address_columns("Practice Location"), values, strict=True))


def individual(
    number: int, changes: Mapping[str, str] | None = None, *, last: str = "RUIZ", where: Row | None = None
) -> Row:
    return {
        "NPI": npi(number),
        "Entity Type Code": "1",
        "Provider Last Name (Legal Name)": last,
        "Provider First Name": "MARIA",
        "Provider Sex Code": "F",
        "Healthcare Provider Taxonomy Code_1": DERMATOLOGY,
        "Healthcare Provider Primary Taxonomy Switch_1": "Y",
        **(address() if where is None else where),
        **(changes or {}),
    }


def organization(number: int, name: str = "HUDSON DERMATOLOGY", where: Row | None = None) -> Row:
    return {
        "NPI": npi(number),
        "Entity Type Code": "2",
        "Provider Organization Name (Legal Business Name)": name,
        **(address() if where is None else where),
    }


def deactivated(number: int) -> Row:
    return {"NPI": npi(number), "NPI Deactivation Date": "02/14/2021"}


def content(rows: Iterable[Mapping[str, str]], columns: Sequence[str] = COLUMNS) -> str:
    """Return the text of an NPPES file with these rows."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def read_rejects(file: Path) -> list[Row]:
    """Return the rows of a rejects file by column; none if there is no file."""
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@dataclass
class FakeProgress:
    """Records the start of an import; `after_chunk` is called after each chunk."""

    after_chunk: Callable[[], None] = lambda: None
    start_lines: list[int] = field(default_factory=list)

    def show_identifying(self, byte_count: int) -> None:
        pass

    def show_start(self, line: int) -> None:
        self.start_lines.append(line)

    def show_position(self, position: int, stats: ImportStats) -> None:
        self.after_chunk()


@dataclass
class Directory:
    """Imports into a database of the directory service, and reads its rows and published events."""

    dsn: str
    connection: asyncpg.Connection
    home: Path

    async def import_rows(self, *rows: Row, rejects: Path | None = None) -> ImportStats:
        """Import a file with these rows."""
        file = self.home / "nppes.csv"
        file.write_text(content(rows))
        return await self.import_nppes(file, rejects=rejects)

    async def import_nppes(
        self,
        *files: Path,
        rejects: Path | None = None,
        progress: FakeProgress | None = None,
        chunk_rows: int = 5_000,
        small_bytes: int = 1 << 30,
    ) -> ImportStats:
        listed = rejects or self.home / "rejects.csv"
        parameters = NppesImport(self.dsn, files, listed, None, SystemClock(), Uuid7(), chunk_rows, small_bytes)
        return await import_nppes(parameters, progress or FakeProgress())

    async def import_qhp(
        self, providers: Path, plans: Path, clock: Clock | None = None, issuers: Mapping[str, str] | None = None
    ) -> ImportStats:
        rejects = self.home / "rejects.csv"
        parameters = QhpImport(self.dsn, providers, plans, rejects, clock or SystemClock(), Uuid7(), issuers or {})
        return await import_qhp(parameters, FakeProgress())

    async def published(self) -> list[Envelope]:
        """Return the events published since the last call, in order."""
        rows = await self.connection.fetch("DELETE FROM outbox RETURNING seq, body")
        return [decode(row["body"]) for row in sorted(rows, key=lambda row: row["seq"])]

    async def changes(self) -> list[tuple[str, int]]:
        """Return (type without its prefix, version) of the events published since the last call, sorted."""
        return sorted((event.type.removeprefix("millrace."), event.entityversion) for event in await self.published())

    async def entities(self, name: str) -> list[Entity | None]:
        """Return the entities of one kind in the events published since the last call."""
        return [decode_entity(event) for event in await self.published() if event.entity == name]

    async def one(self, query: str, *arguments: object) -> Mapping[str, Any]:
        """Return the only row of a query."""
        rows = await self.connection.fetch(query, *arguments)
        assert len(rows) == 1
        row: Mapping[str, Any] = rows[0]
        return row

    async def practice_at(self, line1: str) -> UUID | None:
        found: UUID | None = (await self.one("SELECT practice_id FROM location WHERE line1 = $1", line1))["practice_id"]
        return found
