"""Locations in the database."""

from uuid import UUID

from sqlalchemy import exists, select

from millrace_directory.location.model import Location
from millrace_directory.location.tables import location
from millrace_directory.provider_location.tables import provider_location
from millrace_directory.repository import Repository
from millrace_platform.database import ReadSession

locations = Repository(location, Location)


async def practice_at(session: ReadSession, key: UUID) -> UUID | None:
    """The practice that runs the location; None where none does, or there is no such location."""
    practice: UUID | None = await session.scalar(select(location.c.practice_id).where(location.c.id == key))
    return practice


async def has_providers(session: ReadSession, key: UUID) -> bool:
    """Whether a live provider-location is at the location."""
    there = exists().where(provider_location.c.location_id == key, provider_location.c.deleted_at.is_(None))
    return bool(await session.scalar(select(there)))
