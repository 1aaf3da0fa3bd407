"""Messages, deliveries and attempts in the database."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, Select, and_, exists, func, insert, select

from millrace_notifications.delivery.model import Attempt, Delivery, DueDelivery, Message, Shares, State
from millrace_notifications.delivery.tables import attempt, delivery, message
from millrace_notifications.endpoint.model import PROMPT_ATTEMPTS
from millrace_notifications.endpoint.tables import endpoint
from millrace_notifications.leases import is_unleased, lease_rows, update_leased
from millrace_platform.database import ReadSession, Session
from millrace_platform.ids import Ids
from millrace_platform.periodic import delete_rows

REDELIVER_LIMIT = 10_000
"""Maximum of messages redelivered by one request."""


async def insert_messages(session: Session, messages: Sequence[Message]) -> None:
    if messages:
        await session.execute(insert(message), [asdict(each) for each in messages])


async def insert_deliveries(
    session: Session, deliveries: Sequence[tuple[UUID, UUID]], ids: Ids, now: datetime
) -> list[UUID]:
    """Insert deliveries, given as (endpoint id, message id), that are due at once; return their ids."""
    rows = [_new_row(ids(), endpoint_id, message_id, now) for endpoint_id, message_id in deliveries]
    if rows:
        await session.execute(insert(delivery), rows)
    return [row["id"] for row in rows]


async def lease_due(
    session: Session, lease: UUID, now: datetime, limit: int, shares: Shares, *, prompt: bool
) -> list[DueDelivery]:
    """Lease and return up to `limit` due deliveries to endpoints that are prompt, or to those that aren't.

    Practices take turns; each gets its longest overdue ones first. No endpoint and no practice has more leased than its
    share, in all processes together.
    """
    is_prompt = endpoint.c.prompt_attempts >= PROMPT_ATTEMPTS
    due = and_(delivery.c.state == "pending", delivery.c.due_at <= now, is_prompt if prompt else ~is_prompt)
    # Leased deliveries rank first, so that they count towards the shares.
    order = (is_unleased(delivery, now), delivery.c.due_at, delivery.c.id)
    of_endpoint = (
        select(
            delivery.c.id,
            endpoint.c.practice_id,
            is_unleased(delivery, now).label("is_unleased"),
            delivery.c.due_at,
            func.row_number().over(partition_by=delivery.c.endpoint_id, order_by=order).label("rank"),
        )
        .select_from(delivery.join(endpoint, endpoint.c.id == delivery.c.endpoint_id))
        .where(due)
        .subquery()
    )
    turn = func.row_number().over(
        partition_by=of_endpoint.c.practice_id,
        order_by=(of_endpoint.c.is_unleased, of_endpoint.c.due_at, of_endpoint.c.id),
    )
    ranked = select(of_endpoint.c.id, turn.label("turn")).where(of_endpoint.c.rank <= shares.per_endpoint).subquery()
    selection = (
        select(delivery.c.id)
        .join(ranked, ranked.c.id == delivery.c.id)
        .where(delivery.c.state == "pending", is_unleased(delivery, now), ranked.c.turn <= shares.per_practice)
        .order_by(ranked.c.turn, delivery.c.due_at)
        .limit(limit)
    )
    rows = await lease_rows(session, delivery, selection, lease, now)
    return [msgspec.convert(row, DueDelivery, from_attributes=True) for row in rows]


async def find_body(session: ReadSession, message_id: UUID) -> bytes | None:
    body: bytes | None = await session.scalar(select(message.c.body).where(message.c.id == message_id))
    return body


async def settle(session: Session, leased: DueDelivery, state: State, now: datetime, *, attempts: int) -> bool:
    """Record the final state of a leased delivery; return False if the lease was lost."""
    return await _update(session, leased, state=state, settled_at=now, attempts=attempts)


async def postpone(session: Session, leased: DueDelivery, until: datetime, *, attempts: int) -> bool:
    """Schedule a retry of a leased delivery at `until`; return False if the lease was lost."""
    return await _update(session, leased, due_at=until, attempts=attempts)


async def _update(session: Session, leased: DueDelivery, **values: Any) -> bool:
    pending = update_leased(delivery, leased.id, leased.lease).where(delivery.c.state == "pending")
    statement = pending.values(**values, lease=None, lease_until=None).returning(delivery.c.id)
    return (await session.execute(statement)).first() is not None


async def insert_attempt(session: Session, delivery_id: UUID, new: Attempt) -> None:
    await session.execute(insert(attempt).values(delivery_id=delivery_id, **asdict(new)))


async def find(session: ReadSession, endpoint_id: UUID, identifier: UUID) -> Delivery | None:
    row = (await session.execute(_select_log(endpoint_id).where(delivery.c.id == identifier))).one_or_none()
    return None if row is None else _to_delivery(row)


async def list_page(
    session: ReadSession, endpoint_id: UUID, *, state: State | None, before: UUID | None, limit: int
) -> list[Delivery]:
    """Return up to `limit` deliveries of the endpoint, newest first.

    With `before` (a delivery's id) only older ones, with `state` only those in that state.
    """
    query = _select_log(endpoint_id).order_by(delivery.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(delivery.c.state == state)
    if before is not None:
        query = query.where(delivery.c.id < before)
    return [_to_delivery(row) for row in await session.execute(query)]


async def list_attempts(session: ReadSession, delivery_id: UUID) -> list[Attempt]:
    query = select(attempt).where(attempt.c.delivery_id == delivery_id).order_by(attempt.c.number)
    return [msgspec.convert(row, Attempt, from_attributes=True) for row in await session.execute(query)]


async def list_missed_messages(
    session: ReadSession,
    *,
    endpoint_id: UUID,
    practice_id: str,
    types: Collection[str],
    since: datetime,
    delivered: bool,
) -> list[UUID]:
    """Return ids of messages since a time that the endpoint missed, oldest first, up to `REDELIVER_LIMIT`.

    Excludes messages with a pending delivery to the endpoint and, unless `delivered` is set, delivered ones.
    """
    excluded = [State.PENDING] if delivered else [State.PENDING, State.DELIVERED]
    existing = exists().where(
        delivery.c.message_id == message.c.id, delivery.c.endpoint_id == endpoint_id, delivery.c.state.in_(excluded)
    )
    matching = message.c.type.in_(types), message.c.practice_id == practice_id, message.c.created_at >= since
    query = select(message.c.id).where(*matching, ~existing).order_by(message.c.created_at, message.c.id)
    return list((await session.execute(query.limit(REDELIVER_LIMIT))).scalars())


async def delete_old(session: Session, before: datetime, limit: int) -> int:
    """Delete up to `limit` messages created before the given time, with deliveries and attempts; return how many.

    Messages that were redelivered since then are retained.
    """
    redelivered = exists().where(delivery.c.message_id == message.c.id, delivery.c.created_at >= before)
    return await delete_rows(session, message.c.id, message.c.created_at < before, ~redelivered, limit=limit)


async def count_pending(session: ReadSession, now: datetime) -> tuple[int, datetime | None]:
    """Return the number of pending deliveries and the due time of the longest overdue one."""
    overdue = func.min(delivery.c.due_at).filter(delivery.c.due_at <= now)
    query = select(func.count(), overdue).where(delivery.c.state == "pending")
    count, oldest = (await session.execute(query)).one()
    return count, oldest


def _new_row(identifier: UUID, endpoint_id: UUID, message_id: UUID, now: datetime) -> dict[str, Any]:
    return {
        "id": identifier,
        "endpoint_id": endpoint_id,
        "message_id": message_id,
        "state": State.PENDING,
        "created_at": now,
        "due_at": now,
        "attempts": 0,
    }


def _select_log(endpoint_id: UUID) -> Select[Any]:
    """Return a query of the endpoint's deliveries, each with its message's type and its last attempt."""
    last = and_(attempt.c.delivery_id == delivery.c.id, attempt.c.number == delivery.c.attempts)
    columns = (*delivery.c, message.c.type, *(column for column in attempt.c if column.name != "delivery_id"))
    joined = delivery.join(message, message.c.id == delivery.c.message_id).outerjoin(attempt, last)
    return select(*columns).select_from(joined).where(delivery.c.endpoint_id == endpoint_id)


def _to_delivery(row: Row[Any]) -> Delivery:
    last = None if row.number is None else msgspec.convert(row, Attempt, from_attributes=True)
    state = State(row.state)
    due = row.due_at if state is State.PENDING else None
    return Delivery(row.id, row.message_id, row.type, state, row.created_at, due, row.attempts, last)
