"""Timers in the database."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_notifications.leases import LEASE, held, is_free, take
from millrace_notifications.timer.model import Claimed, Facts, Kind, NewTimer
from millrace_notifications.timer.tables import timer
from millrace_platform.database import ReadSession, Session
from millrace_platform.ids import Ids
from millrace_platform.rounds import remove

Outcome = Literal["sent", "expired", "failed", "dropped"]

_NO_LEASE = {"lease": None, "lease_until": None}


async def add(session: Session, timers: Sequence[NewTimer], ids: Ids) -> None:
    """Those of a (kind, entity, version) that is there already are left out."""
    if not timers:
        return
    rows = [
        {
            "id": ids(),
            "kind": each.kind.value,
            "entity": each.entity,
            "version": each.version,
            "patient_id": each.patient_id,
            "facts": msgspec.to_builtins(each.facts),
            "due_at": each.due_at,
            "expires_at": each.expires_at,
            "state": "waiting",
            "attempts": 0,
        }
        for each in timers
    ]
    await session.execute(insert(timer).on_conflict_do_nothing(), rows)


async def drop(
    session: Session, entities: Collection[str], kinds: Collection[Kind], reason: str, now: datetime
) -> None:
    """Letters of these kinds about the entities are wanted no more, also where a worker has begun with one."""
    dropped = update(timer).where(timer.c.entity.in_(entities), timer.c.kind.in_([kind.value for kind in kinds]))
    await session.execute(
        dropped.where(timer.c.state == "waiting").values(state="dropped", reason=reason, settled_at=now)
    )


async def drop_all_of(session: Session, patient_id: str, reason: str, now: datetime) -> None:
    """No letter goes to the patient any more."""
    dropped = update(timer).where(timer.c.patient_id == patient_id, timer.c.state == "waiting")
    await session.execute(dropped.values(state="dropped", reason=reason, settled_at=now))


async def claim(session: Session, lease: UUID, now: datetime, limit: int) -> list[Claimed]:
    """Lease what is due, the longest due first."""
    due = select(timer.c.id).where(timer.c.state == "waiting", timer.c.due_at <= now, is_free(timer, now))
    rows = await take(session, timer, due.order_by(timer.c.due_at).limit(limit), lease, now)
    return [
        Claimed(
            row.id,
            row.lease,
            Kind(row.kind),
            row.patient_id,
            msgspec.convert(row.facts, Facts),
            row.expires_at,
            row.attempts,
        )
        for row in rows
    ]


async def still_wanted(session: Session, claimed: Claimed, now: datetime) -> bool:
    """Whether the letter may leave now: it was not dropped, and the lease is ours, for its full time again."""
    mine = held(timer, claimed.id, claimed.lease).where(timer.c.state == "waiting")
    renewed = mine.values(lease_until=now + LEASE)
    return (await session.execute(renewed.returning(timer.c.id))).first() is not None


async def settle(session: Session, claimed: Claimed, outcome: Outcome, reason: str | None, now: datetime) -> None:
    """It is done with. What was sent is noted as sent even where it was dropped meanwhile."""
    mine = held(timer, claimed.id, claimed.lease)
    if outcome != "sent":
        mine = mine.where(timer.c.state == "waiting")
    await session.execute(mine.values(state=outcome, reason=reason, settled_at=now, **_NO_LEASE))


async def postpone(session: Session, claimed: Claimed, until: datetime, reason: str) -> None:
    """Another try later."""
    mine = held(timer, claimed.id, claimed.lease).where(timer.c.state == "waiting")
    later = mine.values(due_at=until, reason=reason, attempts=timer.c.attempts + 1, **_NO_LEASE)
    await session.execute(later)


async def forget_old(session: Session, before: datetime, limit: int) -> int:
    """Remove up to so many that were done with before that moment; how many."""
    return await remove(session, timer.c.id, timer.c.settled_at < before, limit=limit)


async def waiting(session: ReadSession, now: datetime) -> dict[str, tuple[int, timedelta | None]]:
    """By kind: how many wait, and how long the longest has been due (None: none is)."""
    oldest = func.min(timer.c.due_at).filter(timer.c.due_at <= now)
    query = select(timer.c.kind, func.count(), oldest).where(timer.c.state == "waiting").group_by(timer.c.kind)
    rows = await session.execute(query.order_by(timer.c.kind))
    return {kind: (count, None if due is None else now - due) for kind, count, due in rows}
