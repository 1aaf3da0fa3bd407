"""Staged rows into the directory, and the events of what changed by it; all within the caller's transaction."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Connection

from millrace_directory.events import Action, Key
from millrace_directory.fan_out import locations_moved, practices_renamed, providers_left
from millrace_directory.feed import Change
from millrace_directory.importing import statements
from millrace_directory.importing.adding import Adder
from millrace_directory.importing.events import Emitter
from millrace_directory.importing.rows import LocationRow, PracticeRow, ProviderLocationRow, ProviderRow
from millrace_directory.location.wire import LOCATIONS
from millrace_directory.practice.wire import PRACTICES
from millrace_directory.provider.wire import PROVIDERS
from millrace_directory.provider_location.wire import PROVIDER_LOCATIONS
from millrace_directory.wire import Kind


class Writer:
    """Writes rows set by set. Call the steps in the order in which they stand here: it is that of the row locks."""

    def __init__(self, connection: Connection, emitter: Emitter, now: datetime) -> None:
        self._connection = connection
        self._emitter = emitter
        self._adder = Adder(connection, emitter)
        self._now = now

    async def organizations(
        self, practices: Sequence[PracticeRow], locations: Iterable[LocationRow], gone: Sequence[str]
    ) -> None:
        """Practices at their addresses, and all other locations; `gone` are NPIs out of use."""
        new, known = await self._part_practices(practices)
        affected = {row.location_id for row in practices}
        await self._change_practices(known)
        await self._adder.practices(new)
        affected |= await self._practices_gone(gone)
        if known:
            affected |= await self._texts(statements.MOVED_ORGANIZATIONS)
            await self._connection.execute(statements.REMEMBER_ORGANIZATIONS)
        await self._remember(new, organizations=True)
        await self._forget(gone)
        created = await self._locations({row.id: row for row in locations}, new, known)
        await self._assign(affected - created)

    async def individuals(
        self,
        providers: Sequence[ProviderRow],
        there: Sequence[ProviderLocationRow],
        gone: Sequence[str],
        *,
        remember: bool,
    ) -> None:
        """Providers and where they are; an address that a file gave before is left.

        `remember` that these addresses are those that the file gives: another one in a later file takes their place.
        """
        known = await self._texts(statements.KNOWN_PROVIDERS, [row.npi for row in providers])
        new_there = [row for row in there if row.npi not in known]
        await self._stage("staged_provider", [row for row in providers if row.npi in known])
        await self._stage("staged_provider_location", [row for row in there if row.npi in known])
        elsewhere = self._adder.elsewhere(new_there)
        if known or elsewhere:
            await self._connection.fetchval(statements.LOCK_LOCATIONS, elsewhere)
        if known:
            await self._written(PROVIDERS, statements.WRITE_PROVIDERS)
        await self._adder.providers([row for row in providers if row.npi not in known])
        await self._providers_gone(gone)
        if known:
            left = await self._keys(statements.LEAVE_OLD_ADDRESSES, self._now)
            await self._tell(PROVIDER_LOCATIONS, Action.DELETED, left)
            await self._written(PROVIDER_LOCATIONS, statements.WRITE_PROVIDER_LOCATIONS)
        await self._adder.provider_locations(new_there)
        if remember:
            if known:
                await self._connection.execute(statements.REMEMBER_INDIVIDUALS)
            await self._remember(new_there, organizations=False)

    async def _part_practices(self, rows: Sequence[PracticeRow]) -> tuple[list[PracticeRow], list[PracticeRow]]:
        """(those that are nowhere yet, the others)."""
        npis, ids = [row.npi for row in rows], [row.id for row in rows]
        there = await self._texts(statements.KNOWN_PRACTICES, npis, ids)
        known = [row for row in rows if row.npi in there or row.id in there]
        return [row for row in rows if row.npi not in there and row.id not in there], known

    async def _remember(
        self, rows: Iterable[PracticeRow] | Iterable[ProviderLocationRow], *, organizations: bool
    ) -> None:
        """Addresses of those of whom no file gave one before."""
        records = sorted((row.npi, row.location_id, organizations) for row in rows)
        if records:
            await self._connection.copy_records_to_table("imported_address", records=records)

    async def _stage(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            await self._connection.copy_records_to_table(table, records=rows)

    async def _locations(
        self, rows: dict[str, LocationRow], new: Sequence[PracticeRow], known: Sequence[PracticeRow]
    ) -> set[str]:
        """Have all these places; gives those that weren't there. A live one stays as it is."""
        live = {row["id"]: row["live"] for row in await self._connection.fetch(statements.KNOWN_LOCATIONS, list(rows))}
        searched = live.keys() | {row.location_id for row in known}
        created: set[str] = set()
        if back := [row for key, row in rows.items() if key in searched and not live.get(key)]:
            await self._stage("staged_location", back)
            created = await self._texts(statements.WRITE_LOCATIONS)
            await self._tell(LOCATIONS, Action.CREATED, list(created))
        added = [row for key, row in rows.items() if key not in searched]
        await self._adder.locations(added, new)
        return created.union(row.id for row in added)

    async def _change_practices(self, rows: Sequence[PracticeRow]) -> None:
        if not rows:
            return
        await self._stage("staged_practice", rows)
        written = await self._connection.fetch(statements.WRITE_PRACTICES)
        await self._tell_written(PRACTICES, written)
        if renamed := [row["id"] for row in written if row["renamed"]]:
            await self._follow(practices_renamed(self._connection, renamed))

    async def _practices_gone(self, npis: Sequence[str]) -> set[str]:
        """Delete practices; the locations that look to them for their practice."""
        if not npis:
            return set()
        gone = await self._keys(statements.DELETE_PRACTICES, npis, self._now)
        await self._tell(PRACTICES, Action.DELETED, gone)
        return await self._texts(statements.LOCATIONS_OF_PRACTICES, gone) if gone else set()

    async def _forget(self, npis: Sequence[str]) -> None:
        if npis:
            await self._connection.execute(statements.FORGET_ADDRESSES, npis)

    async def _assign(self, affected: set[str]) -> None:
        if not affected:
            return
        rows = await self._connection.fetch(statements.ASSIGN_PRACTICES, list(affected))
        await self._tell(LOCATIONS, Action.UPDATED, [row["id"] for row in rows])
        if moved := [row["id"] for row in rows if row["moved"]]:
            await self._follow(locations_moved(self._connection, moved))

    async def _providers_gone(self, npis: Sequence[str]) -> None:
        if not npis:
            return
        gone = await self._keys(statements.DELETE_PROVIDERS, npis, self._now)
        await self._tell(PROVIDERS, Action.DELETED, gone)
        if gone:
            await self._follow(providers_left(self._connection, [str(npi) for npi in gone], self._now))

    async def _written(self, kind: Kind[Any], statement: str) -> None:
        await self._tell_written(kind, await self._connection.fetch(statement))

    async def _tell_written(self, kind: Kind[Any], rows: Sequence[Any]) -> None:
        await self._tell(kind, Action.CREATED, [row[0] for row in rows if row["created"]])
        await self._tell(kind, Action.UPDATED, [row[0] for row in rows if not row["created"]])

    async def _tell(self, kind: Kind[Any], action: Action, keys: Sequence[Key]) -> None:
        await self._emitter.emit(Change(kind, keys, action))

    async def _follow(self, changes: AsyncIterator[Change]) -> None:
        async for change in changes:
            await self._emitter.emit(change)

    async def _keys(self, statement: str, *arguments: object) -> list[UUID | str]:
        return [row[0] for row in await self._connection.fetch(statement, *arguments)]

    async def _texts(self, statement: str, *arguments: object) -> set[str]:
        return {row[0] for row in await self._connection.fetch(statement, *arguments)}
