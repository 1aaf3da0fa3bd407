"""Copies of providers and provider-locations in the database."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from sqlalchemy import Table, select
from sqlalchemy.dialects.postgresql import insert

from millrace_notifications.provider_location.model import Provider, ProviderLocation
from millrace_notifications.provider_location.tables import provider, provider_location
from millrace_platform.database import ReadSession, Session


async def upsert_providers(session: Session, versions: Iterable[tuple[Provider, int]]) -> None:
    """Store each provider at its version, unless a newer version is stored."""
    await _upsert(session, provider, "npi", [{**asdict(each), "version": version} for each, version in versions])


async def upsert_provider_locations(session: Session, versions: Iterable[tuple[ProviderLocation, int]]) -> None:
    """Store each provider-location at its version, unless a newer version is stored."""
    rows = [{**asdict(each), "version": version} for each, version in versions]
    await _upsert(session, provider_location, "id", rows)


async def find_provider(session: ReadSession, npi: str) -> Provider | None:
    row = (await session.execute(select(provider).where(provider.c.npi == npi))).one_or_none()
    return None if row is None else msgspec.convert(row, Provider, from_attributes=True)


async def find_provider_location(session: ReadSession, identifier: str) -> ProviderLocation | None:
    return (await load_provider_locations(session, [identifier])).get(identifier)


async def load_provider_locations(session: ReadSession, ids: Collection[str]) -> dict[str, ProviderLocation]:
    """Return the provider-locations with these ids by id, without unknown ones."""
    rows = await session.execute(select(provider_location).where(provider_location.c.id.in_(ids)))
    return {row.id: msgspec.convert(row, ProviderLocation, from_attributes=True) for row in rows}


async def load_versions(session: ReadSession, ids: Collection[str]) -> dict[str, tuple[int, bool]]:
    """Return the version of each stored provider-location, and whether it is pending, by id."""
    if not ids:
        return {}
    query = select(provider_location.c.id, provider_location.c.version, provider_location.c.is_pending)
    rows = await session.execute(query.where(provider_location.c.id.in_(ids)))
    return {row.id: (row.version, row.is_pending) for row in rows}


async def list_confirmed_practices(session: ReadSession, npi: str) -> list[str]:
    """Return the practices at which the provider sees patients, without provider-locations that are pending."""
    query = select(provider_location.c.practice_id).distinct()
    query = query.where(
        provider_location.c.npi == npi,
        ~provider_location.c.is_pending,
        provider_location.c.practice_id.is_not(None),
    )
    return list((await session.execute(query.order_by(provider_location.c.practice_id))).scalars())


async def _upsert(session: Session, table: Table, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    # Ordered by key, so that two batches can't deadlock. The last of several rows with the same key is stored.
    newest = {row[key]: row for row in sorted(rows, key=lambda row: (row[key], row["version"]))}
    if not newest:
        return
    statement = insert(table)
    others = {column.name: statement.excluded[column.name] for column in table.columns if column.name != key}
    statement = statement.on_conflict_do_update(
        index_elements=[key], set_=others, where=table.c.version < statement.excluded.version
    )
    await session.execute(statement, list(newest.values()))
