"""Locations in the database."""

from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, Select, select

from millrace_contracts import entities
from millrace_contracts.registry import LOCATION
from millrace_directory.location.model import Location
from millrace_directory.repository import Repository
from millrace_directory.tables import location, practice
from millrace_directory.wire import Kind, Row, select_versioned
from millrace_platform.database import ReadSession


def address(row: Row) -> entities.Address:
    return entities.Address(
        line1=row["line1"], line2=row["line2"], city=row["city"], state=row["state"], zip=row["zip"]
    )


def practice_id(row: Row) -> str | None:
    return None if row["practice_id"] is None else str(row["practice_id"])


def _entity(row: Row) -> entities.Location:
    return entities.Location(
        id=str(row["id"]),
        address=address(row),
        practice_id=practice_id(row),
        practice_name=row["practice_name"],
        phone=row["phone"],
    )


def _with_practice(locations: FromClause) -> Select[Any]:
    joined = locations.outerjoin(practice, locations.c.practice_id == practice.c.id)
    return select_versioned(locations, practice.c.name.label("practice_name")).select_from(joined)


LOCATIONS = Kind(LOCATION, location, select_from=_with_practice, entity=_entity)
locations = Repository(LOCATIONS, Location)


async def practice_at(session: ReadSession, location_id: UUID) -> UUID | None:
    """Return the id of the practice that runs the location; None without a practice or for an unknown location."""
    practice: UUID | None = await session.scalar(select(location.c.practice_id).where(location.c.id == location_id))
    return practice
