"""The table of provider-locations and its rows."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, DateTime, Table, Text, Uuid, and_, or_, select
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import ReadSession, Session
from millrace_scheduling.provider_location.model import ProviderLocation
from millrace_scheduling.tables import metadata

provider_locations = Table(
    "provider_locations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("npi", Text, nullable=False, index=True),
    Column("practice_id", Uuid),
    Column("time_zone", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("is_deleted", Boolean, nullable=False),
    Column("address", Text),
    Column("copied_at", DateTime(timezone=True)),
    CheckConstraint("version > 0", name="version"),
)
"""`address` and `copied_at`, when the copy last changed, are null until an event or a replay fills them."""

_COLUMNS = [provider_locations.c[each.name] for each in fields(ProviderLocation)]


def provider_location_from_row(row: Any) -> ProviderLocation:
    """Return the provider-location from a row of another table joined with that of the provider-location."""
    return ProviderLocation(
        row["provider_location_id"], row["npi"], row["practice_id"], row["time_zone"], row["provider_location_version"]
    )


async def find(session: ReadSession, identifier: UUID) -> ProviderLocation | None:
    """Return the provider-location; None if it is unknown or deleted."""
    query = select(*_COLUMNS).where(provider_locations.c.id == identifier, ~provider_locations.c.is_deleted)
    row = (await session.execute(query)).mappings().one_or_none()
    return None if row is None else ProviderLocation(**row)


async def find_time_zone_for_share(session: Session, identifier: UUID) -> str | None:
    """Lock the provider-location against changes and return its time zone; None if it is unknown or deleted."""
    columns = provider_locations.c
    query = select(columns.time_zone).where(columns.id == identifier, ~columns.is_deleted).with_for_update(read=True)
    zone: str | None = await session.scalar(query)
    return zone


async def list_time_zones_for_update(session: Session, identifiers: Collection[UUID]) -> dict[UUID, str]:
    """Lock the provider-locations and return their time zones by id, without unknown and deleted ones."""
    columns = provider_locations.c
    query = (
        select(columns.id, columns.time_zone)
        .where(columns.id.in_(identifiers), ~columns.is_deleted)
        .order_by(columns.id)
        .with_for_update()
    )
    return {row.id: row.time_zone for row in await session.execute(query)}


async def list_by_npi(session: ReadSession, npi: str) -> list[ProviderLocation]:
    """Return the provider-locations of a provider that aren't deleted, by id."""
    query = (
        select(*_COLUMNS)
        .where(provider_locations.c.npi == npi, ~provider_locations.c.is_deleted)
        .order_by(provider_locations.c.id)
    )
    return [ProviderLocation(**row) for row in (await session.execute(query)).mappings()]


async def has_practice(session: ReadSession, practice_id: UUID) -> bool:
    """Return whether a provider-location that isn't deleted belongs to the practice."""
    columns = provider_locations.c
    query = select(columns.id).where(columns.practice_id == practice_id, ~columns.is_deleted).limit(1)
    return await session.scalar(query) is not None


async def save_newer(session: Session, consumed: Sequence[ProviderLocation], now: datetime) -> list[ProviderLocation]:
    """Insert or update provider-locations newer than their rows; return these. Each id may occur only once.

    A replay of the row's own version fills what the row doesn't have yet.
    """
    if not consumed:
        return []
    # Sorted, so that two consumers can't deadlock while a lease changes hands.
    rows = [{**asdict(each), "copied_at": now} for each in sorted(consumed, key=lambda each: each.id)]
    statement = insert(provider_locations)
    upsert = statement.on_conflict_do_update(
        index_elements=[provider_locations.c.id],
        set_={
            "practice_id": statement.excluded.practice_id,
            "time_zone": statement.excluded.time_zone,
            "version": statement.excluded.version,
            "is_deleted": statement.excluded.is_deleted,
            "address": statement.excluded.address,
            "copied_at": statement.excluded.copied_at,
        },
        where=or_(
            provider_locations.c.version < statement.excluded.version,
            and_(
                provider_locations.c.version == statement.excluded.version,
                provider_locations.c.address.is_distinct_from(statement.excluded.address),
            ),
        ),
    )
    saved = set((await session.execute(upsert.returning(provider_locations.c.id), rows)).scalars())
    return [each for each in consumed if each.id in saved]
