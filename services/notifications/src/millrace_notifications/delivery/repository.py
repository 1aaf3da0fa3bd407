"""Messages and deliveries in the database."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, insert, or_, select

from millrace_notifications.delivery.model import Attempt, Claimed, Delivery, Message, State
from millrace_notifications.delivery.tables import attempt, delivery, message
from millrace_notifications.leases import held, is_free, take
from millrace_platform.database import ReadSession, Session
from millrace_platform.ids import Ids
from millrace_platform.rounds import remove

REDELIVER_LIMIT = 10_000

_NO_LEASE = {"lease": None, "lease_until": None}


async def add_messages(session: Session, messages: Sequence[Message]) -> None:
    if messages:
        await session.execute(insert(message), [asdict(each) for each in messages])


async def add(session: Session, deliveries: Sequence[tuple[UUID, UUID]], ids: Ids, now: datetime) -> list[UUID]:
    """Deliveries, each to an endpoint of a message, that are due at once; their ids."""
    rows = [_new(ids(), endpoint_id, message_id, now) for endpoint_id, message_id in deliveries]
    if rows:
        await session.execute(insert(delivery), rows)
    return [row["id"] for row in rows]


async def claim(session: Session, lease: UUID, now: datetime, limit: int, per_endpoint: int) -> list[Claimed]:
    """Lease what is due, the longest due first, but no more of one endpoint than that many under way at a time."""
    due = and_(delivery.c.state == "pending", delivery.c.due_at <= now)
    # What is under way counts first, so that an endpoint that hangs takes no more than its share of the workers.
    turn = func.row_number().over(
        partition_by=delivery.c.endpoint_id,
        order_by=(is_free(delivery, now), delivery.c.due_at, delivery.c.id),
    )
    ranked = select(delivery.c.id, turn.label("turn")).where(due).subquery()
    allowed = select(ranked.c.id).where(ranked.c.turn <= per_endpoint)
    chosen = select(delivery.c.id).where(due, is_free(delivery, now), delivery.c.id.in_(allowed))
    rows = await take(session, delivery, chosen.order_by(delivery.c.due_at).limit(limit), lease, now)
    return [Claimed(row.id, row.lease, row.endpoint_id, row.message_id, row.created_at, row.attempts) for row in rows]


async def body_of(session: ReadSession, message_id: UUID) -> bytes | None:
    body: bytes | None = await session.scalar(select(message.c.body).where(message.c.id == message_id))
    return body


async def settle(session: Session, claimed: Claimed, state: State, now: datetime, *, attempts: int) -> bool:
    """It is done with; False where it isn't ours any more."""
    mine = held(delivery, claimed.id, claimed.lease).where(delivery.c.state == "pending")
    done = mine.values(state=state.value, settled_at=now, attempts=attempts, **_NO_LEASE)
    return (await session.execute(done.returning(delivery.c.id))).first() is not None


async def postpone(session: Session, claimed: Claimed, until: datetime, *, attempts: int) -> bool:
    """Another try later; False where it isn't ours any more."""
    mine = held(delivery, claimed.id, claimed.lease).where(delivery.c.state == "pending")
    later = mine.values(due_at=until, attempts=attempts, **_NO_LEASE)
    return (await session.execute(later.returning(delivery.c.id))).first() is not None


async def note(session: Session, delivery_id: UUID, made: Attempt) -> None:
    await session.execute(
        insert(attempt).values(
            delivery_id=delivery_id,
            number=made.number,
            at=made.at,
            status=made.status,
            failure=made.failure,
            milliseconds=made.milliseconds,
        )
    )


async def find(session: ReadSession, endpoint_id: UUID, identifier: UUID) -> Delivery | None:
    row = (await session.execute(_log(endpoint_id).where(delivery.c.id == identifier))).one_or_none()
    return None if row is None else _delivery(row)


async def page(
    session: ReadSession, endpoint_id: UUID, *, state: State | None, before: UUID | None, limit: int
) -> list[Delivery]:
    """The newest first."""
    query = _log(endpoint_id).order_by(delivery.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(delivery.c.state == state.value)
    if before is not None:
        query = query.where(delivery.c.id < before)
    return [_delivery(row) for row in await session.execute(query)]


async def attempts_of(session: ReadSession, delivery_id: UUID) -> list[Attempt]:
    query = select(attempt).where(attempt.c.delivery_id == delivery_id).order_by(attempt.c.number)
    rows = await session.execute(query)
    return [Attempt(row.number, row.at, row.status, row.failure, row.milliseconds) for row in rows]


async def missed(
    session: ReadSession, *, endpoint_id: UUID, practice: str, kinds: Collection[str], since: datetime, delivered: bool
) -> list[UUID]:
    """Messages since a time that aren't on their way to the endpoint now, the oldest first, up to a limit.

    `delivered`: also those that have arrived there before.
    """
    there = exists().where(
        delivery.c.message_id == message.c.id, delivery.c.endpoint_id == endpoint_id, _counts(delivered=delivered)
    )
    wanted = message.c.type.in_(kinds), message.c.practice_id == practice, message.c.created_at >= since
    query = select(message.c.id).where(*wanted, ~there).order_by(message.c.created_at, message.c.id)
    return list((await session.execute(query.limit(REDELIVER_LIMIT))).scalars())


async def forget_old(session: Session, before: datetime, limit: int) -> int:
    """Remove up to so many messages with all that belongs to them; how many.

    One that was sent again since stays: its newest deliveries aren't old.
    """
    again = exists().where(delivery.c.message_id == message.c.id, delivery.c.created_at >= before)
    return await remove(session, message.c.id, message.c.created_at < before, ~again, limit=limit)


async def counts(session: ReadSession, now: datetime) -> tuple[int, datetime | None]:
    """How many deliveries wait, and since when the longest due one is."""
    overdue = func.min(delivery.c.due_at).filter(delivery.c.due_at <= now)
    query = select(func.count(), overdue).where(delivery.c.state == "pending")
    count, oldest = (await session.execute(query)).one()
    return count, oldest


def _counts(*, delivered: bool) -> ColumnElement[bool]:
    pending = delivery.c.state == State.PENDING.value
    return pending if delivered else or_(pending, delivery.c.state == State.DELIVERED.value)


def _new(identifier: UUID, endpoint_id: UUID, message_id: UUID, now: datetime) -> dict[str, Any]:
    return {
        "id": identifier,
        "endpoint_id": endpoint_id,
        "message_id": message_id,
        "state": State.PENDING.value,
        "created_at": now,
        "due_at": now,
        "attempts": 0,
    }


def _log(endpoint_id: UUID) -> Select[Any]:
    """Deliveries with their message's type and their last try."""
    last = and_(attempt.c.delivery_id == delivery.c.id, attempt.c.number == delivery.c.attempts)
    columns = (*delivery.c, message.c.type, attempt.c.at, attempt.c.status, attempt.c.failure, attempt.c.milliseconds)
    joined = delivery.join(message, message.c.id == delivery.c.message_id).outerjoin(attempt, last)
    return select(*columns).select_from(joined).where(delivery.c.endpoint_id == endpoint_id)


def _delivery(row: Any) -> Delivery:
    last = None if row.at is None else Attempt(row.attempts, row.at, row.status, row.failure, row.milliseconds)
    state = State(row.state)
    due = row.due_at if state is State.PENDING else None
    return Delivery(row.id, row.message_id, row.type, state, row.created_at, due, row.attempts, last)
