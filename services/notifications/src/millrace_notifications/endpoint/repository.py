"""Webhook endpoints in the database."""

from collections.abc import Collection
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Result, Row, Select, func, insert, select
from sqlalchemy import delete as sql_delete
from sqlalchemy import update as sql_update

from millrace_notifications.endpoint.model import Endpoint, EventType, SecretRef
from millrace_notifications.endpoint.tables import endpoint
from millrace_platform.database import ReadSession, Session
from millrace_platform.errors import NotFound


async def find(session: ReadSession, identifier: UUID) -> Endpoint | None:
    """Return the endpoint, whichever practice it belongs to; None if it doesn't exist."""
    return _first(await session.execute(_select(identifier)))


async def find_for_update(session: Session, identifier: UUID) -> Endpoint | None:
    """Lock and return the endpoint, whichever practice it belongs to; None if it doesn't exist."""
    return _first(await session.execute(_select(identifier).with_for_update(key_share=True)))


async def get(session: ReadSession, identifier: UUID, practices: Collection[str]) -> Endpoint:
    """Return the endpoint. Problem: 404 unless it belongs to one of these practices."""
    return _require(_first(await session.execute(_select(identifier, practices))))


async def get_for_update(session: Session, identifier: UUID, practices: Collection[str]) -> Endpoint:
    """Lock and return the endpoint. Problem: 404 unless it belongs to one of these practices."""
    return _require(_first(await session.execute(_select(identifier, practices).with_for_update(key_share=True))))


async def list_page(session: ReadSession, practices: Collection[str], after: UUID | None, limit: int) -> list[Endpoint]:
    """Return up to `limit` endpoints whose id is greater than `after`, oldest first."""
    query = select(endpoint).where(endpoint.c.practice_id.in_(practices)).order_by(endpoint.c.id).limit(limit)
    if after is not None:
        query = query.where(endpoint.c.id > after)
    return [_to_endpoint(row) for row in await session.execute(query)]


async def load_by_practice(session: ReadSession, practices: Collection[str]) -> dict[str, list[Endpoint]]:
    """Return the endpoints of these practices by practice id, without practices that have none."""
    by_practice: dict[str, list[Endpoint]] = {}
    if practices:
        rows = await session.execute(select(endpoint).where(endpoint.c.practice_id.in_(practices)))
        for each in map(_to_endpoint, rows):
            by_practice.setdefault(each.practice_id, []).append(each)
    return by_practice


async def lock_and_count(session: Session, practice_id: str) -> int:
    """Return the number of the practice's endpoints, and make concurrent callers wait until the transaction ends."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(practice_id, 0))))
    query = select(func.count()).select_from(endpoint).where(endpoint.c.practice_id == practice_id)
    return await session.scalar(query) or 0


async def insert_endpoint(session: Session, new: Endpoint) -> None:
    await session.execute(insert(endpoint).values(_row(new)))


async def update(session: Session, changed: Endpoint) -> Endpoint:
    """Store the new state of a locked endpoint as its next version, and return it with that version."""
    after = replace(changed, version=changed.version + 1)
    await session.execute(sql_update(endpoint).where(endpoint.c.id == after.id).values(_row(after)))
    return after


async def update_health(session: Session, changed: Endpoint) -> None:
    """Store how a locked endpoint responds without a new version, because it isn't a change by the practice."""
    health = {"failing_since": changed.failing_since, "prompt_attempts": changed.prompt_attempts}
    await session.execute(sql_update(endpoint).where(endpoint.c.id == changed.id).values(health))


async def delete(session: Session, identifier: UUID) -> None:
    """Delete the endpoint and its deliveries."""
    await session.execute(sql_delete(endpoint).where(endpoint.c.id == identifier))


def _select(identifier: UUID, practices: Collection[str] | None = None) -> Select[Any]:
    query = select(endpoint).where(endpoint.c.id == identifier)
    return query if practices is None else query.where(endpoint.c.practice_id.in_(practices))


def _first(result: Result[Any]) -> Endpoint | None:
    row = result.one_or_none()
    return None if row is None else _to_endpoint(row)


def _require(found: Endpoint | None) -> Endpoint:
    if found is None:
        raise NotFound("Webhook endpoint not found.")
    return found


def _row(of: Endpoint) -> dict[str, Any]:
    fields = asdict(of)
    secret, previous = fields.pop("secret"), fields.pop("previous") or {}
    return {
        **fields,
        "secret_key": secret["key"],
        "secret_generation": secret["generation"],
        "previous_key": previous.get("key"),
        "previous_generation": previous.get("generation"),
    }


def _to_endpoint(row: Row[Any]) -> Endpoint:
    fields = row._asdict()
    secret = SecretRef(fields.pop("secret_key"), fields.pop("secret_generation"))
    previous = SecretRef(fields.pop("previous_key"), fields.pop("previous_generation"))
    events = tuple(map(EventType, fields.pop("events")))
    return Endpoint(**fields, events=events, secret=secret, previous=previous if previous.key else None)
