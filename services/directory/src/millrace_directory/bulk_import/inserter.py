"""Insert rows that the directory doesn't have: COPY them into its tables, and publish their events.

If another writer inserts a row at the same time, COPY raises `UniqueViolationError`: retry the batch, which then finds
that row.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from asyncpg import Connection

from millrace_directory.bulk_import import statements
from millrace_directory.bulk_import.publisher import EventPublisher
from millrace_directory.bulk_import.rows import AddressRow, LocationRow, PracticeRow, ProviderLocationRow, ProviderRow
from millrace_directory.location.repository import LOCATIONS
from millrace_directory.practice.repository import PRACTICES
from millrace_directory.provider.repository import PROVIDERS
from millrace_directory.provider_location.repository import PROVIDER_LOCATIONS
from millrace_directory.wire import Kind

_FIRST: Final = {"version": 1, "deleted": False}
_PRACTICE: Final = ("version", "id", "npi", "name", "phone")
_LOCATION: Final = ("version", *LocationRow._fields, "practice_id", "phone")
_PROVIDER: Final = ("version", *ProviderRow._fields)
_PROVIDER_LOCATION: Final = ("version", *ProviderLocationRow._fields)
_NO_PRACTICE: Final = {"practice_id": None, "practice_name": None, "phone": None}

LocationValues = Mapping[str, Any]
"""Columns of a location and its practice that its provider-locations contain too."""


class RowInserter:
    """Inserts rows of one kind at a time, and remembers the inserted locations for their provider-locations."""

    def __init__(self, connection: Connection, publisher: EventPublisher) -> None:
        self._connection = connection
        self._publisher = publisher
        self._locations: dict[str, LocationValues] = {}

    async def insert_practices(self, rows: Iterable[PracticeRow]) -> None:
        await self._insert(PRACTICES, _PRACTICE, [{**row._asdict(), **_FIRST} for row in rows])

    async def insert_locations(
        self, rows: Iterable[LocationRow], practices: Iterable[PracticeRow], addresses: Iterable[AddressRow]
    ) -> None:
        """Insert locations, each with the practice that runs it.

        `addresses` are those of organizations. Of `practices` at a location, the one runs it that has its primary
        address there; of several, the one with the lowest NPI.
        """
        by_npi = {row.npi: row for row in practices}
        best = {
            row.location_id: {
                "practice_id": by_npi[row.npi].id,
                "practice_name": by_npi[row.npi].name,
                "phone": row.phone or by_npi[row.npi].phone,
            }
            for row in sorted(addresses, key=lambda row: (row.source, row.npi), reverse=True)
            if row.npi in by_npi
        }
        inserted = [{**row._asdict(), **best.get(row.id, _NO_PRACTICE), **_FIRST} for row in rows]
        await self._insert(LOCATIONS, _LOCATION, inserted)
        self._locations |= {row["id"]: row for row in inserted}

    async def insert_providers(self, rows: Iterable[ProviderRow]) -> None:
        await self._insert(PROVIDERS, _PROVIDER, [{**row._asdict(), "languages": (), **_FIRST} for row in rows])

    async def insert_provider_locations(self, rows: Sequence[ProviderLocationRow]) -> None:
        """Insert provider-locations.

        Their locations must exist, and those that weren't inserted by this object must be locked by the caller.
        """
        await self._load_locations(self.other_locations(rows))
        unknown = {"accepted_plans": (), "accepted_plan_years": (), "new_patients": None, "is_pending": False, **_FIRST}
        await self._insert(
            PROVIDER_LOCATIONS,
            _PROVIDER_LOCATION,
            [{**self._locations[row.location_id], **row._asdict(), **unknown} for row in rows],
        )

    def other_locations(self, rows: Iterable[ProviderLocationRow]) -> Collection[str]:
        """Return the ids of these rows' locations that weren't inserted by this object."""
        return {row.location_id for row in rows} - self._locations.keys()

    async def _load_locations(self, location_ids: Collection[str]) -> None:
        if location_ids:
            rows = await self._connection.fetch(statements.LOCATION_VALUES, location_ids)
            self._locations |= {row["location_id"]: row for row in rows}

    async def _insert(self, kind: Kind[Any], columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        # Most indexes of provider-locations and a foreign key begin with the NPI: sorted by it, lookups stay local.
        rows.sort(key=itemgetter(kind.order[0].name))
        records = map(itemgetter(*columns), rows)
        insertion = self._connection.copy_records_to_table(kind.table.name, columns=columns, records=records)
        await self._publisher.publish_inserted(kind, rows, insertion)
