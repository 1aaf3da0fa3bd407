"""Endpoints in the database."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update

from millrace_notifications.endpoint.model import Endpoint, EventType, SecretPlace
from millrace_notifications.endpoint.tables import endpoint
from millrace_platform.database import ReadSession, Session


async def find(session: ReadSession, identifier: UUID, practices: Collection[str]) -> Endpoint | None:
    """None also for an endpoint of another practice."""
    query = select(endpoint).where(endpoint.c.id == identifier, endpoint.c.practice_id.in_(practices))
    return _endpoint((await session.execute(query)).one_or_none())


async def by_id(session: ReadSession, identifier: UUID) -> Endpoint | None:
    """Whosever it is."""
    return _endpoint((await session.execute(select(endpoint).where(endpoint.c.id == identifier))).one_or_none())


async def locked(session: Session, identifier: UUID, practices: Collection[str] | None = None) -> Endpoint | None:
    """As `find`; it stays as it is until the transaction ends. `practices` None: whosever it is."""
    query = select(endpoint).where(endpoint.c.id == identifier).with_for_update(key_share=True)
    if practices is not None:
        query = query.where(endpoint.c.practice_id.in_(practices))
    return _endpoint((await session.execute(query)).one_or_none())


async def page(session: ReadSession, practices: Collection[str], after: UUID | None, limit: int) -> list[Endpoint]:
    """In the order of ids, which is that of their making."""
    query = select(endpoint).where(endpoint.c.practice_id.in_(practices)).order_by(endpoint.c.id).limit(limit)
    if after is not None:
        query = query.where(endpoint.c.id > after)
    found = (_endpoint(row) for row in await session.execute(query))
    return [each for each in found if each is not None]


async def of_practices(session: ReadSession, practices: Collection[str]) -> dict[str, list[Endpoint]]:
    """By practice; those without any are left out."""
    by_practice: dict[str, list[Endpoint]] = {}
    if practices:
        rows = await session.execute(select(endpoint).where(endpoint.c.practice_id.in_(practices)))
        for found in map(_endpoint, rows):
            if found is not None:
                by_practice.setdefault(found.practice_id, []).append(found)
    return by_practice


async def count(session: Session, practice: str) -> int:
    """How many the practice has; no other is added until the transaction ends."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(practice, 0))))
    query = select(func.count()).select_from(endpoint).where(endpoint.c.practice_id == practice)
    return await session.scalar(query) or 0


async def add(session: Session, added: Endpoint) -> None:
    await session.execute(insert(endpoint).values(_row(added)))


async def replace(session: Session, after: Endpoint) -> None:
    """Write a locked endpoint's new state."""
    await session.execute(update(endpoint).where(endpoint.c.id == after.id).values(_row(after)))


async def note_health(session: Session, identifier: UUID, failing_since: datetime | None) -> None:
    """No step of its version: whether it fails isn't the practice's doing."""
    await session.execute(update(endpoint).where(endpoint.c.id == identifier).values(failing_since=failing_since))


async def remove(session: Session, identifier: UUID) -> None:
    """With all its deliveries."""
    await session.execute(delete(endpoint).where(endpoint.c.id == identifier))


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


def _endpoint(row: Any) -> Endpoint | None:
    if row is None:
        return None
    previous = None if row.previous_key is None else SecretPlace(row.previous_key, row.previous_generation)
    return Endpoint(
        id=row.id,
        practice_id=row.practice_id,
        version=row.version,
        url=row.url,
        description=row.description,
        events=tuple(EventType(event) for event in row.events),
        secret=SecretPlace(row.secret_key, row.secret_generation),
        created_at=row.created_at,
        disabled=row.disabled,
        previous=previous,
        previous_until=row.previous_until,
        failing_since=row.failing_since,
    )
