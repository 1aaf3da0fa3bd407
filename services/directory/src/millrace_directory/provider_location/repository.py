"""Provider-locations in the database, read with the address and the practice of their location."""

from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, Select, select

from millrace_contracts import entities
from millrace_contracts.registry import PROVIDER_LOCATION
from millrace_directory.location.repository import address, practice_id
from millrace_directory.provider_location.model import ProviderLocation, split_plan_years
from millrace_directory.repository import Repository
from millrace_directory.tables import location, practice, provider_location
from millrace_directory.wire import Kind, Row, select_versioned
from millrace_platform.database import ReadSession


def _entity(row: Row) -> entities.ProviderLocation:
    return entities.ProviderLocation(
        id=str(row["id"]),
        npi=row["npi"],
        location_id=str(row["location_id"]),
        address=address(row),
        taxonomy=row["taxonomy"],
        practice_id=practice_id(row),
        practice_name=row["practice_name"],
        phone=row["phone"],
        accepted_plans=tuple(row["accepted_plans"]),
        accepted_plan_years=split_plan_years(row["accepted_plan_years"]),
        new_patients=row["new_patients"],
        is_pending=row["is_pending"],
    )


def _with_location(provider_locations: FromClause) -> Select[Any]:
    address_columns = (location.c[name] for name in ("line1", "line2", "city", "state", "zip"))
    practice_columns = (location.c.practice_id, practice.c.name.label("practice_name"))
    joined = provider_locations.join(location, provider_locations.c.location_id == location.c.id).outerjoin(
        practice, location.c.practice_id == practice.c.id
    )
    return select_versioned(provider_locations, *address_columns, *practice_columns).select_from(joined)


PROVIDER_LOCATIONS = Kind(
    PROVIDER_LOCATION,
    provider_location,
    order=(provider_location.c.npi, provider_location.c.id),
    select_from=_with_location,
    entity=_entity,
)
provider_locations = Repository(PROVIDER_LOCATIONS, ProviderLocation)


async def list_confirmed_practices(session: ReadSession, npi: str) -> set[UUID]:
    """Return the practices at which the provider sees patients, without provider-locations that are pending."""
    query = (
        select(location.c.practice_id)
        .select_from(provider_location.join(location))
        .where(
            provider_location.c.npi == npi,
            provider_location.c.deleted_at.is_(None),
            ~provider_location.c.is_pending,
            location.c.practice_id.is_not(None),
        )
    )
    return set((await session.execute(query)).scalars())
