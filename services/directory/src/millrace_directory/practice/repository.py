"""Practices in the database."""

from uuid import UUID

from sqlalchemy import select

from millrace_contracts.registry import PRACTICE
from millrace_directory.practice.model import Practice
from millrace_directory.repository import Repository
from millrace_directory.tables import practice
from millrace_directory.wire import Kind
from millrace_platform.database import ReadSession

PRACTICES = Kind(PRACTICE, practice)
practices = Repository(PRACTICES, Practice)


async def find_practice_id(session: ReadSession, npi: str) -> UUID | None:
    """Return the id of the practice with this organizational NPI, also if it is deleted; None if there is none."""
    found: UUID | None = await session.scalar(select(practice.c.id).where(practice.c.npi == npi))
    return found
