"""Practices in the database."""

from uuid import UUID

from sqlalchemy import exists, select

from millrace_directory.location.tables import location
from millrace_directory.practice.model import Practice
from millrace_directory.practice.tables import practice
from millrace_directory.repository import Repository
from millrace_platform.database import ReadSession

practices = Repository(practice, Practice)


async def id_with_npi(session: ReadSession, npi: str) -> UUID | None:
    """The practice that has this organizational NPI, a deleted one too."""
    owner: UUID | None = await session.scalar(select(practice.c.id).where(practice.c.npi == npi))
    return owner


async def has_locations(session: ReadSession, key: UUID) -> bool:
    """Whether a live location belongs to the practice."""
    belongs = exists().where(location.c.practice_id == key, location.c.deleted_at.is_(None))
    return bool(await session.scalar(select(belongs)))
