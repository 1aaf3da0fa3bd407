"""Staged rows into the directory, and the events of what changed by it; all within the caller's transaction."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Connection

from directory.events import Action, Key
from directory.fan_out import locations_moved, practices_renamed, providers_left
from directory.feed import Change
from directory.importing import statements
from directory.importing.events import Emitter
from directory.importing.rows import LocationRow, PracticeRow, ProviderLocationRow, ProviderRow
from directory.location.wire import LOCATIONS
from directory.practice.wire import PRACTICES
from directory.provider.wire import PROVIDERS
from directory.provider_location.wire import PROVIDER_LOCATIONS
from directory.wire import Kind


class Writer:
    """Writes rows set by set. Call the steps in the order in which they stand here: it is that of the row locks."""

    def __init__(self, connection: Connection, emitter: Emitter, now: datetime) -> None:
        self._connection = connection
        self._emitter = emitter
        self._now = now

    async def organizations(
        self, practices: Iterable[PracticeRow], locations: Iterable[LocationRow], gone: Sequence[str]
    ) -> None:
        """Practices at their addresses, and all other locations; `gone` are NPIs out of use."""
        await self._stage("staged_practice", practices)
        await self._stage("staged_location", {row.id: row for row in locations}.values())
        affected = await self._practices()
        affected |= await self._practices_gone(gone)
        affected |= set(await self._keys(statements.MOVED_ORGANIZATIONS))
        await self._connection.execute(statements.REMEMBER_ORGANIZATIONS)
        await self._forget(gone)
        created = await self._keys(statements.WRITE_LOCATIONS)
        await self._tell(LOCATIONS, Action.CREATED, created)
        await self._assign(affected.difference(created))

    async def individuals(
        self, providers: Iterable[ProviderRow], there: Iterable[ProviderLocationRow], gone: Sequence[str]
    ) -> None:
        """Providers and where they are; an address that a file gave before is left."""
        await self._stage("staged_provider", providers)
        await self._stage("staged_provider_location", there)
        await self._connection.fetchval(statements.LOCK_LOCATIONS)
        await self._written(PROVIDERS, statements.WRITE_PROVIDERS)
        await self._providers_gone(gone)
        left = await self._keys(statements.LEAVE_OLD_ADDRESSES, self._now)
        await self._tell(PROVIDER_LOCATIONS, Action.DELETED, left)
        await self._written(PROVIDER_LOCATIONS, statements.WRITE_PROVIDER_LOCATIONS)

    async def remember_individuals(self) -> None:
        """The staged addresses are now those that the file gives; another one in a later file takes their place."""
        await self._connection.execute(statements.REMEMBER_INDIVIDUALS)

    async def _stage(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        await self._connection.copy_records_to_table(table, records=rows)

    async def _practices(self) -> set[Key]:
        """Write the staged practices; the locations that look to them for their practice."""
        written = await self._connection.fetch(statements.WRITE_PRACTICES)
        await self._tell_written(PRACTICES, written)
        if renamed := [row["id"] for row in written if row["renamed"]]:
            await self._follow(practices_renamed(self._connection, renamed))
        return set(await self._keys("SELECT location_id FROM staged_practice"))

    async def _practices_gone(self, npis: Sequence[str]) -> set[Key]:
        if not npis:
            return set()
        gone = await self._keys(statements.DELETE_PRACTICES, npis, self._now)
        await self._tell(PRACTICES, Action.DELETED, gone)
        return set(await self._keys(statements.LOCATIONS_OF_PRACTICES, gone)) if gone else set()

    async def _forget(self, npis: Sequence[str]) -> None:
        if npis:
            await self._connection.execute(statements.FORGET_ADDRESSES, npis)

    async def _assign(self, affected: set[Key]) -> None:
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
