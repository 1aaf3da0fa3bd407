"""Write imported rows to the directory, and publish the events, within the caller's transaction."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from asyncpg import Connection

from millrace_directory.bulk_import import statements
from millrace_directory.bulk_import.inserter import RowInserter
from millrace_directory.bulk_import.publisher import EventPublisher
from millrace_directory.bulk_import.rows import (
    AddressRow,
    LocationRow,
    PracticeRow,
    ProviderLocationRow,
    ProviderRow,
    Source,
)
from millrace_directory.fan_out import (
    delete_provider_locations_of,
    update_locations_of_practices,
    update_provider_locations_at,
)
from millrace_directory.feed import Change
from millrace_directory.location.repository import LOCATIONS
from millrace_directory.model import Action, Key
from millrace_directory.practice.repository import PRACTICES
from millrace_directory.provider.repository import PROVIDERS
from millrace_directory.provider_location.repository import PROVIDER_LOCATIONS
from millrace_directory.wire import Kind


class RowWriter:
    """Writes the rows of a batch, organizations before individuals, which is the order of the row locks."""

    def __init__(self, connection: Connection, publisher: EventPublisher, now: datetime) -> None:
        self._connection = connection
        self._publisher = publisher
        self._inserter = RowInserter(connection, publisher)
        self._now = now

    async def write_organizations(
        self,
        practices: Sequence[PracticeRow],
        addresses: Sequence[AddressRow],
        locations: Iterable[LocationRow],
        deactivated: Sequence[str],
        *,
        replaced: Sequence[Source] = (),
    ) -> None:
        """Write practices, their addresses, and locations; assign practices to locations.

        The practices' earlier addresses from the `replaced` sources are removed. Practices with deactivated NPIs are
        deleted.
        """
        new, known = await self._partition_practices(practices)
        affected = {row.location_id for row in addresses}
        await self._change_practices(known)
        await self._inserter.insert_practices(new)
        affected |= await self._delete_practices(deactivated)
        known_npis = {row.npi for row in known}
        if known:
            left = await self._replace_addresses(
                [row for row in addresses if row.npi in known_npis], known_npis, replaced
            )
            affected |= {location_id for _, location_id in left}
        await self._save_new_addresses([row for row in addresses if row.npi not in known_npis])
        if deactivated:
            await self._connection.execute(statements.DELETE_ADDRESSES, deactivated)
        staged = {row.location_id for row in addresses if row.npi in known_npis}
        by_id: dict[str, LocationRow] = {}
        for row in locations:
            by_id.setdefault(row.id, row)  # of several spellings the first one is shown
        created = await self._write_locations(by_id, new, addresses, staged)
        await self._assign_practices(affected - created)

    async def write_individuals(
        self,
        providers: Sequence[ProviderRow],
        provider_locations: Sequence[ProviderLocationRow],
        addresses: Sequence[AddressRow],
        deactivated: Sequence[str],
        *,
        replaced: Sequence[Source] = (),
    ) -> None:
        """Write providers and their provider-locations; delete the provider-locations at their former addresses.

        Former addresses are those from the `replaced` sources that `addresses` doesn't contain; it is saved for later
        imports. Providers with deactivated NPIs are deleted. `provider_locations` may be of providers that the
        directory contains already.
        """
        npis = {row.npi for row in providers} | {row.npi for row in provider_locations}
        known = await self._texts(statements.KNOWN_PROVIDERS, list(npis))
        new = [row for row in provider_locations if row.npi not in known]
        await self._stage("staged_provider", [row for row in providers if row.npi in known])
        await self._stage("staged_provider_location", [row for row in provider_locations if row.npi in known])
        other_locations = self._inserter.other_locations(new)
        if known or other_locations:
            await self._connection.fetchval(statements.LOCK_LOCATIONS, other_locations)
        if known:
            await self._write(PROVIDERS, statements.WRITE_PROVIDERS)
        await self._inserter.insert_providers([row for row in providers if row.npi not in known])
        await self._delete_providers(deactivated)
        if known:
            if replaced:
                await self._leave_addresses([row for row in addresses if row.npi in known], known & npis, replaced)
            await self._write(PROVIDER_LOCATIONS, statements.WRITE_PROVIDER_LOCATIONS)
        await self._inserter.insert_provider_locations(new)
        await self._save_new_addresses([row for row in addresses if row.npi not in known])

    async def _leave_addresses(
        self, addresses: Sequence[AddressRow], npis: AbstractSet[str], replaced: Sequence[Source]
    ) -> None:
        """Replace the addresses of providers, and delete the provider-locations at those that they left."""
        if left := await self._replace_addresses(addresses, npis, replaced):
            former = [npi for npi, _ in left], [location_id for _, location_id in left]
            deleted = await self._keys(statements.LEAVE_PROVIDER_LOCATIONS, *former, self._now)
            await self._publish(PROVIDER_LOCATIONS, Action.DELETED, deleted)

    async def _replace_addresses(
        self, addresses: Sequence[AddressRow], npis: AbstractSet[str], replaced: Sequence[Source]
    ) -> list[tuple[str, str]]:
        """Save the addresses of these NPIs in place of those from the `replaced` sources.

        Return the removed ones as (NPI, location id).
        """
        await self._stage("staged_address", addresses)
        left = await self._connection.fetch(statements.LEAVE_ADDRESSES, list(npis), replaced)
        await self._connection.execute(statements.SAVE_ADDRESSES, list(npis), replaced)
        return [(row[0], row[1]) for row in left]

    async def _partition_practices(self, rows: Sequence[PracticeRow]) -> tuple[list[PracticeRow], list[PracticeRow]]:
        """Return (new practices, practices that the directory or an earlier import already contains)."""
        npis, ids = [row.npi for row in rows], [row.id for row in rows]
        found = await self._texts(statements.KNOWN_PRACTICES, npis, ids)
        known = [row for row in rows if row.npi in found or row.id in found]
        return [row for row in rows if row.npi not in found and row.id not in found], known

    async def _save_new_addresses(self, rows: Sequence[AddressRow]) -> None:
        """Save the addresses of NPIs that no earlier import had, so that later imports can replace them."""
        if rows:
            await self._connection.copy_records_to_table("imported_address", records=sorted(rows, key=itemgetter(0, 1)))

    async def _stage(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            await self._connection.copy_records_to_table(table, records=rows)

    async def _write_locations(
        self,
        rows: dict[str, LocationRow],
        new: Sequence[PracticeRow],
        addresses: Sequence[AddressRow],
        with_known: AbstractSet[str],
    ) -> set[str]:
        """Create or restore missing locations, and return their ids. Live locations don't change.

        `with_known` are the ids of the locations at which known practices are.
        """
        live = {row["id"]: row["live"] for row in await self._connection.fetch(statements.KNOWN_LOCATIONS, list(rows))}
        # At a new location a known practice may have the lowest NPI: only the SQL statement considers it, not COPY.
        staged = live.keys() | with_known
        created: set[str] = set()
        if missing := [row for key, row in rows.items() if key in staged and not live.get(key)]:
            await self._stage("staged_location", missing)
            created = await self._texts(statements.WRITE_LOCATIONS)
            await self._publish(LOCATIONS, Action.CREATED, list(created))
        inserted = [row for key, row in rows.items() if key not in staged]
        await self._inserter.insert_locations(inserted, new, addresses)
        return created.union(row.id for row in inserted)

    async def _change_practices(self, rows: Sequence[PracticeRow]) -> None:
        if not rows:
            return
        await self._stage("staged_practice", rows)
        written = await self._connection.fetch(statements.WRITE_PRACTICES)
        await self._publish_written(PRACTICES, written)
        if renamed := [row["id"] for row in written if row["renamed"]]:
            for change in await update_locations_of_practices(self._connection, renamed):
                await self._publisher.publish(change)

    async def _delete_practices(self, npis: Sequence[str]) -> set[str]:
        """Delete practices; return the ids of the locations that they ran."""
        if not npis:
            return set()
        deleted = await self._keys(statements.DELETE_PRACTICES, npis, self._now)
        await self._publish(PRACTICES, Action.DELETED, deleted)
        return await self._texts(statements.LOCATIONS_OF_PRACTICES, deleted) if deleted else set()

    async def _assign_practices(self, location_ids: set[str]) -> None:
        if not location_ids:
            return
        rows = await self._connection.fetch(statements.ASSIGN_PRACTICES, list(location_ids))
        await self._publish(LOCATIONS, Action.UPDATED, [row["id"] for row in rows])
        if moved := [row["id"] for row in rows if row["moved"]]:
            await self._publisher.publish(await update_provider_locations_at(self._connection, moved))

    async def _delete_providers(self, npis: Sequence[str]) -> None:
        if not npis:
            return
        deleted = await self._keys(statements.DELETE_PROVIDERS, npis, self._now)
        await self._publish(PROVIDERS, Action.DELETED, deleted)
        if deleted:
            deleted_npis = [str(npi) for npi in deleted]
            change = await delete_provider_locations_of(self._connection, deleted_npis, self._now)
            await self._publisher.publish(change)

    async def _write(self, kind: Kind[Any], statement: str) -> None:
        await self._publish_written(kind, await self._connection.fetch(statement))

    async def _publish_written(self, kind: Kind[Any], rows: Sequence[Any]) -> None:
        await self._publish(kind, Action.CREATED, [row[0] for row in rows if row["created"]])
        await self._publish(kind, Action.UPDATED, [row[0] for row in rows if not row["created"]])

    async def _publish(self, kind: Kind[Any], action: Action, keys: Sequence[Key]) -> None:
        await self._publisher.publish(Change(kind, keys, action))

    async def _keys(self, statement: str, *arguments: object) -> list[UUID | str]:
        return [row[0] for row in await self._connection.fetch(statement, *arguments)]

    async def _texts(self, statement: str, *arguments: object) -> set[str]:
        return {row[0] for row in await self._connection.fetch(statement, *arguments)}
