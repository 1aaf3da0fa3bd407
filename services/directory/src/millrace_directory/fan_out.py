"""Changes that follow from a change of another row, e.g. of a location's address: set-based, in the same transaction.

All writers lock rows in this order, so that no two wait for each other: insurance plans, practices, locations,
providers, provider-locations; within a kind by key. The rows that a provider-location refers to are locked `FOR SHARE`
before it is written: a concurrent change of its location waits, and then changes the new provider-location too.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Connection

from millrace_directory.feed import Change, record_change
from millrace_directory.insurance_plan.model import PlanDeleted
from millrace_directory.location.model import LocationChanged
from millrace_directory.location.repository import LOCATIONS
from millrace_directory.model import Action, DomainEvent, Key
from millrace_directory.practice.model import PracticeRenamed
from millrace_directory.provider.model import ProviderDeleted
from millrace_directory.provider_location.repository import PROVIDER_LOCATIONS
from millrace_directory.wire import Kind
from millrace_platform.database_errors import driver_errors_as_problems
from millrace_platform.unit_of_work import UnitOfWork


def update_live(table: str, condition: str, assignment: str = "", *, key: str = "id") -> str:
    """Return SQL that increments the versions of live (not deleted) rows that meet a condition, and returns their keys.

    Rows are locked in the order of their keys. `assignment` sets another column too, e.g. `deleted_at = $2`.
    """
    return f"""
UPDATE {table} SET {", ".join(filter(None, ("version = version + 1", assignment)))}
FROM (SELECT {key} FROM {table} WHERE {condition} AND deleted_at IS NULL ORDER BY {key} FOR NO KEY UPDATE) AS live
WHERE {table}.{key} = live.{key}
RETURNING {table}.{key}
"""  # noqa: S608 # made of constants


_UPDATE_LOCATIONS = update_live("location", "practice_id = ANY($1)")
_UPDATE_PROVIDER_LOCATIONS = update_live("provider_location", "location_id = ANY($1)")
_DELETE_PROVIDER_LOCATIONS = update_live("provider_location", "npi = ANY($1)", "deleted_at = $2")
_REMOVE_PLAN = update_live(
    "provider_location",
    "$1 = ANY(accepted_plans)",
    "accepted_plans = array_remove(accepted_plans, $1), accepted_plan_years = "
    "ARRAY(SELECT each FROM unnest(accepted_plan_years) AS each WHERE split_part(each, ':', 1) <> $1)",
)


async def update_locations_of_practices(connection: Connection, ids: Sequence[UUID]) -> list[Change]:
    """Increment the versions of the live locations of these practices and of their provider-locations.

    Return the changes to publish.
    """
    locations = await _change(connection, LOCATIONS, Action.UPDATED, _UPDATE_LOCATIONS, ids)
    return [locations, await update_provider_locations_at(connection, locations.keys)]


async def update_provider_locations_at(connection: Connection, locations: Sequence[Key]) -> Change:
    """Increment the versions of the live provider-locations at these locations; return the change to publish."""
    return await _change(connection, PROVIDER_LOCATIONS, Action.UPDATED, _UPDATE_PROVIDER_LOCATIONS, locations)


async def delete_provider_locations_of(connection: Connection, npis: Sequence[str], now: datetime) -> Change:
    """Delete the live provider-locations of these providers; return the change to publish."""
    return await _change(connection, PROVIDER_LOCATIONS, Action.DELETED, _DELETE_PROVIDER_LOCATIONS, npis, now)


async def update_dependents(work: UnitOfWork, events: Iterable[DomainEvent]) -> None:
    """Change the rows that these domain events affect, and publish the changes too."""
    for event in events:
        with driver_errors_as_problems(work.session.driver):
            for change in await _changes(work.session.driver, event, work.now):
                await record_change(work, change)


async def _changes(connection: Connection, event: DomainEvent, now: datetime) -> list[Change]:
    match event:
        case PracticeRenamed(UUID() as key):
            return await update_locations_of_practices(connection, [key])
        case LocationChanged(UUID() as key):
            return [await update_provider_locations_at(connection, [key])]
        case ProviderDeleted(str() as key):
            return [await delete_provider_locations_of(connection, [key], now)]
        case PlanDeleted(str() as key):
            return [await _change(connection, PROVIDER_LOCATIONS, Action.UPDATED, _REMOVE_PLAN, key)]
    raise TypeError(f"no dependents of {event!r}")


async def _change(
    connection: Connection, kind: Kind[Any], action: Action, statement: str, *arguments: object
) -> Change:
    return Change(kind, [row[0] for row in await connection.fetch(statement, *arguments)], action)
