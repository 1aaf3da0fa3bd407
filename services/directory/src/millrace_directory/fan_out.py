"""Changes that follow from a change of another row, e.g. of a location's address: set-based, in the same transaction.

All writers lock rows in this order, so that no two wait for each other: insurance plans, practices, locations,
providers, provider-locations; within a kind by key. What a provider-location refers to is locked `FOR SHARE` before the
provider-location is written: a location that changes at the same time then includes that provider-location.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Connection

from millrace_directory.feed import Change, record_change
from millrace_directory.insurance_plan.model import PlanDeleted
from millrace_directory.location.model import LocationMoved
from millrace_directory.location.repository import LOCATIONS
from millrace_directory.model import Action, DomainEvent, Key
from millrace_directory.practice.model import PracticeRenamed
from millrace_directory.provider.model import ProviderDeleted
from millrace_directory.provider_location.repository import PROVIDER_LOCATIONS
from millrace_platform.database_errors import driver_errors_as_problems
from millrace_platform.unit_of_work import UnitOfWork

_UPDATE_LOCATIONS = """
UPDATE location SET version = version + 1
FROM (SELECT id FROM location WHERE practice_id = ANY($1) AND deleted_at IS NULL
      ORDER BY id FOR NO KEY UPDATE) AS live
WHERE location.id = live.id
RETURNING location.id
"""

_UPDATE_PROVIDER_LOCATIONS = """
UPDATE provider_location SET version = version + 1
FROM (SELECT id FROM provider_location WHERE location_id = ANY($1) AND deleted_at IS NULL
      ORDER BY id FOR NO KEY UPDATE) AS live
WHERE provider_location.id = live.id
RETURNING provider_location.id
"""

_DELETE_PROVIDER_LOCATIONS = """
UPDATE provider_location SET version = version + 1, deleted_at = $2
FROM (SELECT id FROM provider_location WHERE npi = ANY($1) AND deleted_at IS NULL
      ORDER BY id FOR NO KEY UPDATE) AS live
WHERE provider_location.id = live.id
RETURNING provider_location.id
"""

_REMOVE_PLAN = """
UPDATE provider_location SET version = version + 1, accepted_plans = array_remove(accepted_plans, $1)
FROM (SELECT id FROM provider_location WHERE $1 = ANY(accepted_plans) AND deleted_at IS NULL
      ORDER BY id FOR NO KEY UPDATE) AS live
WHERE provider_location.id = live.id
RETURNING provider_location.id
"""


async def update_locations_of_practices(connection: Connection, ids: Sequence[UUID]) -> AsyncIterator[Change]:
    """Increment the versions of the live locations of these practices and of their provider-locations.

    Yield the changes to publish.
    """
    locations = await _keys(connection, _UPDATE_LOCATIONS, ids)
    if locations:
        yield Change(LOCATIONS, locations, Action.UPDATED)
        async for change in update_provider_locations_at(connection, locations):
            yield change


async def update_provider_locations_at(connection: Connection, locations: Sequence[Key]) -> AsyncIterator[Change]:
    """Increment the versions of the live provider-locations at these locations; yield the change to publish."""
    updated = await _keys(connection, _UPDATE_PROVIDER_LOCATIONS, locations)
    if updated:
        yield Change(PROVIDER_LOCATIONS, updated, Action.UPDATED)


async def delete_provider_locations_of(
    connection: Connection, npis: Sequence[str], now: datetime
) -> AsyncIterator[Change]:
    """Delete the live provider-locations of these providers; yield the change to publish."""
    deleted = await _keys(connection, _DELETE_PROVIDER_LOCATIONS, npis, now)
    if deleted:
        yield Change(PROVIDER_LOCATIONS, deleted, Action.DELETED)


async def remove_accepted_plan(connection: Connection, plan: str) -> AsyncIterator[Change]:
    """Remove the plan from the live provider-locations that accept it; yield the change to publish."""
    updated = await _keys(connection, _REMOVE_PLAN, plan)
    if updated:
        yield Change(PROVIDER_LOCATIONS, updated, Action.UPDATED)


async def update_dependents(work: UnitOfWork, events: Iterable[DomainEvent]) -> None:
    """Change the rows that these domain events affect, and publish the changes too."""
    for event in events:
        with driver_errors_as_problems(work.session.driver):
            async for change in _changes(work.session.driver, event, work.now):
                await record_change(work, change)


def _changes(connection: Connection, event: DomainEvent, now: datetime) -> AsyncIterator[Change]:
    match event:
        case PracticeRenamed(UUID() as key):
            return update_locations_of_practices(connection, [key])
        case LocationMoved(UUID() as key):
            return update_provider_locations_at(connection, [key])
        case ProviderDeleted(str() as key):
            return delete_provider_locations_of(connection, [key], now)
        case PlanDeleted(str() as key):
            return remove_accepted_plan(connection, key)
    raise TypeError(f"no dependents of {event!r}")


async def _keys(connection: Connection, statement: str, *arguments: object) -> list[Key]:
    return [row[0] for row in await connection.fetch(statement, *arguments)]
