"""Provider-locations as the feed carries them: with the address and the practice of their location."""

from sqlalchemy import select

from millrace_contracts.entities import ProviderLocation
from millrace_contracts.registry import PROVIDER_LOCATION
from millrace_directory.location.tables import location
from millrace_directory.location.wire import PLACE, address, practice_id
from millrace_directory.practice.tables import practice
from millrace_directory.provider_location.tables import provider_location
from millrace_directory.wire import Kind, Row


def entity(row: Row) -> ProviderLocation:
    return ProviderLocation(
        id=str(row["id"]),
        npi=row["npi"],
        location_id=str(row["location_id"]),
        address=address(row),
        taxonomy=row["taxonomy"],
        practice_id=practice_id(row),
        practice_name=row["practice_name"],
        phone=row["phone"],
        accepted_plans=tuple(row["accepted_plans"]),
        new_patients=row["new_patients"],
    )


_columns = provider_location.c
PROVIDER_LOCATIONS = Kind(
    contract=PROVIDER_LOCATION,
    query=select(
        _columns.id,
        _columns.version,
        _columns.deleted_at.is_not(None).label("deleted"),
        _columns.npi,
        _columns.location_id,
        _columns.taxonomy,
        _columns.phone,
        _columns.accepted_plans,
        _columns.new_patients,
        *PLACE,
    ).select_from(provider_location.join(location).outerjoin(practice)),
    key=_columns.id,
    order=(_columns.npi, _columns.id),
    entity=entity,
)
