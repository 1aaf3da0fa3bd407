"""Rows of what the directory doesn't hold in any form: straight into its tables, and told as they were written.

A row that someone else adds meanwhile is a `UniqueViolationError`: the batch is to be done again, and finds it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from asyncpg import Connection

from millrace_directory.importing import statements
from millrace_directory.importing.events import Emitter
from millrace_directory.importing.rows import LocationRow, PracticeRow, ProviderLocationRow, ProviderRow
from millrace_directory.location.wire import LOCATIONS
from millrace_directory.practice.wire import PRACTICES
from millrace_directory.provider.wire import PROVIDERS
from millrace_directory.provider_location.wire import PROVIDER_LOCATIONS
from millrace_directory.wire import Kind

_FIRST: Final = {"version": 1, "deleted": False}
_PRACTICE: Final = ("version", "id", "npi", "name", "phone")
_LOCATION: Final = ("version", *LocationRow._fields, "practice_id", "phone")
_PROVIDER: Final = ("version", *ProviderRow._fields)
_PROVIDER_LOCATION: Final = ("version", *ProviderLocationRow._fields)
_NO_PRACTICE: Final = {"practice_id": None, "practice_name": None, "phone": None}

Place = Mapping[str, Any]
"""A location as its provider-locations carry it: the columns of `directory.location.wire.PLACE`."""


class Adder:
    """Adds rows kind by kind. Knows the locations that it added."""

    def __init__(self, connection: Connection, emitter: Emitter) -> None:
        self._connection = connection
        self._emitter = emitter
        self._places: dict[str, Place] = {}

    async def practices(self, rows: Iterable[PracticeRow]) -> None:
        await self._add(PRACTICES, _PRACTICE, [{**row._asdict(), **_FIRST} for row in rows])

    async def locations(self, rows: Iterable[LocationRow], practices: Iterable[PracticeRow]) -> None:
        """`practices` are all those that are at one of these locations: the one with the lowest NPI has it."""
        best = {
            row.location_id: {"practice_id": row.id, "practice_name": row.name, "phone": row.phone}
            for row in sorted(practices, key=lambda row: row.npi, reverse=True)
        }
        added = [{**row._asdict(), **best.get(row.id, _NO_PRACTICE), **_FIRST} for row in rows]
        await self._add(LOCATIONS, _LOCATION, added)
        self._places |= {row["id"]: row for row in added}

    async def providers(self, rows: Iterable[ProviderRow]) -> None:
        await self._add(PROVIDERS, _PROVIDER, [{**row._asdict(), "languages": (), **_FIRST} for row in rows])

    async def provider_locations(self, rows: Sequence[ProviderLocationRow]) -> None:
        """Their locations are there, and those that weren't added here are locked."""
        await self._look_up(self.elsewhere(rows))
        unknown = {"accepted_plans": (), "new_patients": None, **_FIRST}
        await self._add(
            PROVIDER_LOCATIONS,
            _PROVIDER_LOCATION,
            [{**self._places[row.location_id], **row._asdict(), **unknown} for row in rows],
        )

    def elsewhere(self, rows: Iterable[ProviderLocationRow]) -> Collection[str]:
        """The locations of these rows that weren't added here."""
        return {row.location_id for row in rows} - self._places.keys()

    async def _look_up(self, locations: Collection[str]) -> None:
        if locations:
            found = await self._connection.fetch(statements.PLACES, locations)
            self._places |= {row["location_id"]: row for row in found}

    async def _add(self, kind: Kind[Any], columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        # Provider-locations by NPI, as most of their indexes and a foreign key are: by id each is looked for anew.
        rows.sort(key=itemgetter(kind.order[0].name))
        records = map(itemgetter(*columns), rows)
        adding = self._connection.copy_records_to_table(kind.key.table.name, columns=columns, records=records)
        await self._emitter.tell_added(kind, rows, adding)
