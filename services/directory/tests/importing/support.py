"""Rows of NPPES files, an empty directory, and what it tells."""

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
from millrace_contracts.registry import entity_of
from millrace_directory.importing.figures import Figures
from millrace_directory.importing.loading import NppesImport, import_nppes
from millrace_directory.importing.qhp_loading import QhpImport, import_qhp
from millrace_feeds.clock import SystemClock
from millrace_platform.ids import Uuid7
from millrace_reference.npi import npi_check_digit
from millrace_reference.nppes import COLUMNS

DERMATOLOGY, CARDIOLOGY, INTERNAL, DENTIST = "207N00000X", "207RC0000X", "207R00000X", "1223G0001X"
PRACTICE = "Provider Business Practice Location Address"
Row = dict[str, str]


def npi(number: int) -> str:
    """A valid NPI; 1 and 2 are the lowest."""
    first9 = f"{100_000_000 + number}"
    return f"{first9}{npi_check_digit(first9)}"


def address(
    line1: str = "635 W 165TH ST", city: str = "NEW YORK", state: str = "NY", zip_code: str = "100323724"
) -> Row:
    return {
        "Provider First Line Business Practice Location Address": line1,
        f"{PRACTICE} City Name": city,
        f"{PRACTICE} State Name": state,
        f"{PRACTICE} Postal Code": zip_code,
        f"{PRACTICE} Country Code (If outside U.S.)": "US",
        f"{PRACTICE} Telephone Number": "2123050000",
    }


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
    """An NPPES file with these rows."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


@dataclass
class Quiet:
    """Takes an import's progress; `after` is called behind each chunk."""

    after: Callable[[], None] = lambda: None
    lines: list[int] = field(default_factory=list)

    def reading(self, done: int) -> None:
        pass

    def begin(self, line: int) -> None:
        self.lines.append(line)

    def importing(self, position: int, figures: Figures) -> None:
        self.after()


@dataclass
class Directory:
    """A migrated, empty directory to import into."""

    dsn: str
    connection: asyncpg.Connection
    home: Path

    async def nppes(self, *rows: Row, rejects: Path | None = None) -> Figures:
        """Import a file with these rows."""
        file = self.home / "nppes.csv"
        file.write_text(content(rows))
        return await self.nppes_file(file, rejects=rejects)

    async def nppes_file(
        self,
        file: Path,
        *,
        rejects: Path | None = None,
        progress: Quiet | None = None,
        chunk_rows: int = 5_000,
        small_bytes: int = 1 << 30,
    ) -> Figures:
        order = NppesImport(self.dsn, file, rejects, None, SystemClock(), Uuid7(), chunk_rows, small_bytes)
        return await import_nppes(order, progress or Quiet())

    async def qhp(self, providers: Path, plans: Path, rejects: Path | None = None) -> Figures:
        return await import_qhp(QhpImport(self.dsn, providers, plans, rejects, SystemClock(), Uuid7()), Quiet())

    async def told(self) -> list[Envelope]:
        """What was told since this was last asked, in order."""
        rows = await self.connection.fetch("DELETE FROM outbox RETURNING seq, body")
        return [decode(row["body"]) for row in sorted(rows, key=lambda row: row["seq"])]

    async def changes(self) -> list[tuple[str, int]]:
        """(type without its head, version) of what was told, sorted."""
        return sorted((event.type.removeprefix("millrace."), event.entityversion) for event in await self.told())

    async def entities(self, name: str) -> list[Entity | None]:
        """The entities of one kind among what was told."""
        return [entity_of(event) for event in await self.told() if event.entity == name]

    async def one(self, query: str, *arguments: object) -> Mapping[str, Any]:
        """The one row that a query finds."""
        rows = await self.connection.fetch(query, *arguments)
        assert len(rows) == 1
        row: Mapping[str, Any] = rows[0]
        return row

    async def practice_at(self, line1: str) -> UUID | None:
        found: UUID | None = (await self.one("SELECT practice_id FROM location WHERE line1 = $1", line1))["practice_id"]
        return found
