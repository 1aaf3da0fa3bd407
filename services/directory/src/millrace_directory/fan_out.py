"""What a change of one row means to many others: set-based, in the transaction of the change.

Whoever writes takes row locks in this order, so that no two writers wait for each other: insurance plans, practices,
locations, providers, provider-locations; within a kind by key. What a provider-location refers to is locked `FOR SHARE`
before the provider-location is written: a place that changes meanwhile then sees it, and carries it along.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Connection

from millrace_directory.events import Action, Event, Key
from millrace_directory.feed import Change, record_rows
from millrace_directory.insurance_plan.events import PlanWithdrawn
from millrace_directory.location.events import LocationMoved
from millrace_directory.location.wire import LOCATIONS
from millrace_directory.practice.events import PracticeRenamed
from millrace_directory.provider.events import ProviderLeft
from millrace_directory.provider_location.wire import PROVIDER_LOCATIONS
from millrace_platform.database_errors import problems_of_driver
from millrace_platform.unit_of_work import UnitOfWork

_RAISE_LOCATIONS = """
UPDATE location SET version = version + 1
FROM (SELECT id FROM location WHERE practice_id = ANY($1) AND deleted_at IS NULL
      ORDER BY id FOR NO KEY UPDATE) AS live
WHERE location.id = live.id
RETURNING location.id
"""

_RAISE_PROVIDER_LOCATIONS = """
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

_WITHDRAW_PLAN = """
UPDATE provider_location SET version = version + 1, accepted_plans = array_remove(accepted_plans, $1)
FROM (SELECT id FROM provider_location WHERE $1 = ANY(accepted_plans) AND deleted_at IS NULL
      ORDER BY id FOR NO KEY UPDATE) AS live
WHERE provider_location.id = live.id
RETURNING provider_location.id
"""


async def practices_renamed(connection: Connection, ids: Sequence[UUID]) -> AsyncIterator[Change]:
    """Raise the versions of the live locations of these practices and of the provider-locations there."""
    locations = await _keys(connection, _RAISE_LOCATIONS, ids)
    if locations:
        yield Change(LOCATIONS, locations, Action.UPDATED)
        async for change in locations_moved(connection, locations):
            yield change


async def locations_moved(connection: Connection, ids: Sequence[Key]) -> AsyncIterator[Change]:
    """Raise the versions of the live provider-locations at these locations."""
    raised = await _keys(connection, _RAISE_PROVIDER_LOCATIONS, ids)
    if raised:
        yield Change(PROVIDER_LOCATIONS, raised, Action.UPDATED)


async def providers_left(connection: Connection, npis: Sequence[str], now: datetime) -> AsyncIterator[Change]:
    """Delete the live provider-locations of these providers."""
    deleted = await _keys(connection, _DELETE_PROVIDER_LOCATIONS, npis, now)
    if deleted:
        yield Change(PROVIDER_LOCATIONS, deleted, Action.DELETED)


async def plan_withdrawn(connection: Connection, plan: str) -> AsyncIterator[Change]:
    """Take the plan away from the live provider-locations that accept it."""
    raised = await _keys(connection, _WITHDRAW_PLAN, plan)
    if raised:
        yield Change(PROVIDER_LOCATIONS, raised, Action.UPDATED)


async def apply_consequences(work: UnitOfWork, events: Iterable[Event]) -> None:
    """Change the rows that the events affect, and publish those changes too."""
    for event in events:
        with problems_of_driver(work.session.driver):
            async for change in _consequences(work.session.driver, event, work.now):
                await record_rows(work, change)


def _consequences(connection: Connection, event: Event, now: datetime) -> AsyncIterator[Change]:
    match event:
        case PracticeRenamed(UUID() as key):
            return practices_renamed(connection, [key])
        case LocationMoved(UUID() as key):
            return locations_moved(connection, [key])
        case ProviderLeft(str() as key):
            return providers_left(connection, [key], now)
        case PlanWithdrawn(str() as key):
            return plan_withdrawn(connection, key)
    raise TypeError(f"nothing follows from {event!r}")


async def _keys(connection: Connection, statement: str, *arguments: object) -> list[Key]:
    return [row[0] for row in await connection.fetch(statement, *arguments)]
