"""Providers and places in the database."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.dialects.postgresql import insert

from millrace_notifications.place.model import Place, Provider
from millrace_notifications.place.tables import place, provider
from millrace_platform.database import ReadSession, Session


async def put_providers(session: Session, found: Iterable[tuple[Provider, int]]) -> None:
    """Keep each at its version, unless a newer one is there."""
    await _put(session, provider, "npi", [{**asdict(each), "version": version} for each, version in found])


async def put_places(session: Session, found: Iterable[tuple[Place, int]]) -> None:
    """Keep each at its version, unless a newer one is there."""
    await _put(session, place, "id", [{**asdict(each), "version": version} for each, version in found])


async def provider_of(session: ReadSession, npi: str) -> Provider | None:
    row = (await session.execute(select(provider).where(provider.c.npi == npi))).one_or_none()
    return None if row is None else Provider(row.npi, row.name)


async def place_of(session: ReadSession, identifier: str) -> Place | None:
    return (await places_of(session, [identifier])).get(identifier)


async def places_of(session: ReadSession, identifiers: Collection[str]) -> dict[str, Place]:
    """Those that are known, by id."""
    rows = await session.execute(select(place).where(place.c.id.in_(identifiers)))
    return {
        row.id: Place(row.id, row.practice_id, row.practice_name, row.address, row.phone, row.time_zone) for row in rows
    }


async def _put(session: Session, table: Table, key: str, rows: list[Mapping[str, Any]]) -> None:
    # In the order of keys, so that two batches never wait for each other's rows. Of a key the last one counts.
    newest = {row[key]: row for row in sorted(rows, key=lambda row: (row[key], row["version"]))}
    if not newest:
        return
    statement = insert(table)
    others = {column.name: statement.excluded[column.name] for column in table.columns if column.name != key}
    statement = statement.on_conflict_do_update(
        index_elements=[key], set_=others, where=table.c.version < statement.excluded.version
    )
    await session.execute(statement, list(newest.values()))
