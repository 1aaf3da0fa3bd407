"""Dirty marks: times of providers whose openings may have changed and must be computed again (decision 0031)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Table, Text, insert, literal, select, text

from millrace_platform.database import Session
from millrace_scheduling.provider_location.repository import provider_locations
from millrace_scheduling.tables import metadata

MOMENT: Final = DateTime(timezone=True)

dirty_openings = Table(
    "dirty_openings",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("npi", Text, nullable=False),
    Column("changed_from", MOMENT, nullable=False),
    Column("changed_until", MOMENT, nullable=False),
    Column("may_free_time", Boolean, nullable=False, server_default=text("true")),
)
"""Times of a provider whose openings may have changed; `may_free_time`: whether some of it may have become free. Rows
are only inserted and deleted, so writers wait neither for each other nor for the publisher."""


async def mark_dirty(session: Session, npi: str, changed_from: datetime, changed_until: datetime) -> None:
    """Insert a mark: a provider's openings in a time, at all locations, are recomputed after the commit."""
    values = {"npi": npi, "changed_from": changed_from, "changed_until": changed_until}
    await session.execute(insert(dirty_openings).values(values))


async def mark_provider_locations_dirty(
    session: Session, provider_location_ids: Sequence[UUID], changed_from: datetime, changed_until: datetime
) -> None:
    """Insert a mark for each provider of these provider-locations, whose openings at all locations are recomputed."""
    npis = (
        select(provider_locations.c.npi, literal(changed_from, MOMENT), literal(changed_until, MOMENT))
        .where(provider_locations.c.id.in_(provider_location_ids))
        .distinct()
    )
    await session.execute(insert(dirty_openings).from_select(["npi", "changed_from", "changed_until"], npis))
