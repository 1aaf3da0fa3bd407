"""Webhook endpoints in the database."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, insert, select
from sqlalchemy import update as sql_update

from millrace_notifications.endpoint.model import Endpoint, EventType, SecretRef
from millrace_notifications.endpoint.tables import endpoint
from millrace_platform.database import ReadSession, Session


async def find(session: ReadSession, identifier: UUID, practices: Collection[str]) -> Endpoint | None:
    """Return the endpoint; None if it belongs to none of these practices."""
    query = select(endpoint).where(endpoint.c.id == identifier, endpoint.c.practice_id.in_(practices))
    return _to_endpoint((await session.execute(query)).one_or_none())


async def find_by_id(session: ReadSession, identifier: UUID) -> Endpoint | None:
    """Return the endpoint, whichever practice it belongs to; None if it doesn't exist."""
    return _to_endpoint((await session.execute(select(endpoint).where(endpoint.c.id == identifier))).one_or_none())


async def find_for_update(
    session: Session, identifier: UUID, practices: Collection[str] | None = None
) -> Endpoint | None:
    """Lock and return the endpoint; None if it belongs to none of these practices.

    If `practices` is None, it may belong to any practice.
    """
    query = select(endpoint).where(endpoint.c.id == identifier).with_for_update(key_share=True)
    if practices is not None:
        query = query.where(endpoint.c.practice_id.in_(practices))
    return _to_endpoint((await session.execute(query)).one_or_none())


async def list_page(session: ReadSession, practices: Collection[str], after: UUID | None, limit: int) -> list[Endpoint]:
    """Return up to `limit` endpoints whose id is greater than `after`, oldest first."""
    query = select(endpoint).where(endpoint.c.practice_id.in_(practices)).order_by(endpoint.c.id).limit(limit)
    if after is not None:
        query = query.where(endpoint.c.id > after)
    endpoints = (_to_endpoint(row) for row in await session.execute(query))
    return [each for each in endpoints if each is not None]


async def load_by_practice(session: ReadSession, practices: Collection[str]) -> dict[str, list[Endpoint]]:
    """Return the endpoints of these practices by practice id, without practices that have none."""
    by_practice: dict[str, list[Endpoint]] = {}
    if practices:
        rows = await session.execute(select(endpoint).where(endpoint.c.practice_id.in_(practices)))
        for each in map(_to_endpoint, rows):
            if each is not None:
                by_practice.setdefault(each.practice_id, []).append(each)
    return by_practice


async def lock_and_count(session: Session, practice_id: str) -> int:
    """Return the number of the practice's endpoints, and make concurrent callers wait until the transaction ends."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(practice_id, 0))))
    query = select(func.count()).select_from(endpoint).where(endpoint.c.practice_id == practice_id)
    return await session.scalar(query) or 0


async def insert_endpoint(session: Session, new: Endpoint) -> None:
    await session.execute(insert(endpoint).values(_row(new)))


async def update(session: Session, after: Endpoint) -> None:
    """Store the new state of a locked endpoint."""
    await session.execute(sql_update(endpoint).where(endpoint.c.id == after.id).values(_row(after)))


async def update_health(session: Session, identifier: UUID, failing_since: datetime | None) -> None:
    """Store `failing_since` without a new version, because it isn't a change by the practice."""
    await session.execute(sql_update(endpoint).where(endpoint.c.id == identifier).values(failing_since=failing_since))


async def delete(session: Session, identifier: UUID) -> None:
    """Delete the endpoint and its deliveries."""
    await session.execute(sql_delete(endpoint).where(endpoint.c.id == identifier))


def _row(of: Endpoint) -> dict[str, Any]:
    return {
        "id": of.id,
        "practice_id": of.practice_id,
        "version": of.version,
        "url": of.url,
        "description": of.description,
        "events": [event.value for event in of.events],
        "disabled": of.disabled,
        "secret_key": of.secret.key,
        "secret_generation": of.secret.generation,
        "previous_key": None if of.previous is None else of.previous.key,
        "previous_generation": None if of.previous is None else of.previous.generation,
        "previous_until": of.previous_until,
        "failing_since": of.failing_since,
        "created_at": of.created_at,
    }


def _to_endpoint(row: Any) -> Endpoint | None:
    if row is None:
        return None
    previous = None if row.previous_key is None else SecretRef(row.previous_key, row.previous_generation)
    return Endpoint(
        id=row.id,
        practice_id=row.practice_id,
        version=row.version,
        url=row.url,
        description=row.description,
        events=tuple(EventType(event) for event in row.events),
        secret=SecretRef(row.secret_key, row.secret_generation),
        created_at=row.created_at,
        disabled=row.disabled,
        previous=previous,
        previous_until=row.previous_until,
        failing_since=row.failing_since,
    )
