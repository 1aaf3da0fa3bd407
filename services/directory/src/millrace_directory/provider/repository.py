"""Providers in the database."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select

from millrace_directory.location.tables import location
from millrace_directory.provider.model import Provider
from millrace_directory.provider.tables import provider
from millrace_directory.provider_location.tables import provider_location
from millrace_directory.repository import Repository
from millrace_platform.database import ReadSession

providers = Repository(provider, Provider)


async def sees_patients_only_at(session: ReadSession, npi: str, practices: Collection[UUID]) -> bool:
    """Whether the provider has provider-locations, and each is at a location of one of these practices."""
    is_theirs = func.coalesce(location.c.practice_id.in_(practices), False)
    theirs = (
        select(func.bool_and(is_theirs))
        .select_from(provider_location.join(location))
        .where(provider_location.c.npi == npi, provider_location.c.deleted_at.is_(None))
    )
    return bool(await session.scalar(theirs))
