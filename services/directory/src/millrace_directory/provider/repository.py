"""Providers in the database."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select

from millrace_contracts.registry import PROVIDER
from millrace_directory.provider.model import Provider
from millrace_directory.repository import Repository
from millrace_directory.tables import location, provider, provider_location
from millrace_directory.wire import Kind
from millrace_platform.database import ReadSession

PROVIDERS = Kind(PROVIDER, provider)
providers = Repository(PROVIDERS, Provider)


async def practices_only_at(session: ReadSession, npi: str, practices: Collection[UUID]) -> bool:
    """Return whether the provider has provider-locations and all of them are at locations of these practices.

    Those that are pending don't count.
    """
    is_theirs = func.coalesce(location.c.practice_id.in_(practices), False)
    all_theirs = (
        select(func.bool_and(is_theirs))
        .select_from(provider_location.join(location))
        .where(
            provider_location.c.npi == npi,
            provider_location.c.deleted_at.is_(None),
            ~provider_location.c.is_pending,
        )
    )
    return bool(await session.scalar(all_theirs))
