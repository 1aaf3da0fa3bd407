"""Rows of calendar feeds, and the appointments that they show."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from millrace_platform.database import Session
from millrace_platform.statements import fetch, first
from millrace_scheduling.appointment.model import Appointment
from millrace_scheduling.appointment.repository import list_where
from millrace_scheduling.ics.model import Feed

_COLUMNS: Final = "id, patient_id, place_id, npi, practice_id, created_by, created_at"
# ruff: noqa: S608 # constants
_ADD = """
INSERT INTO ics_feeds (id, secret_hash, patient_id, place_id, npi, practice_id, created_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_BY_SECRET = f"SELECT {_COLUMNS} FROM ics_feeds WHERE secret_hash = $1"
_FIND = f"SELECT {_COLUMNS} FROM ics_feeds WHERE id = $1"
_OWN = f"SELECT {_COLUMNS} FROM ics_feeds WHERE created_by = $1 ORDER BY id LIMIT $2"
_REMOVE = "DELETE FROM ics_feeds WHERE id = $1"
_FORGET = "DELETE FROM ics_feeds WHERE patient_id = $1 OR created_by = $1"
_OF_FEED: Final = (
    "WHERE {whose} AND a.start >= $1 AND ($3::uuid IS NULL OR p.practice_id = $3) ORDER BY a.start, a.id LIMIT 2000"
)


async def add(session: Session, feed: Feed, secret_hash: bytes) -> None:
    await first(
        session,
        _ADD,
        feed.id,
        secret_hash,
        feed.patient_id,
        feed.place_id,
        feed.npi,
        feed.practice_id,
        feed.created_by,
        feed.created_at,
    )


async def by_secret(session: Session, secret_hash: bytes) -> Feed | None:
    return _feed_of(await first(session, _BY_SECRET, secret_hash))


async def find(session: Session, feed_id: UUID) -> Feed | None:
    return _feed_of(await first(session, _FIND, feed_id))


async def own(session: Session, created_by: UUID, limit: int) -> list[Feed]:
    """Those that somebody made, the oldest first."""
    return [Feed(**row) for row in await fetch(session, _OWN, created_by, limit)]


async def remove(session: Session, feed_id: UUID) -> None:
    await first(session, _REMOVE, feed_id)


async def forget_patient(session: Session, patient_id: UUID) -> None:
    await fetch(session, _FORGET, patient_id)


async def appointments(session: Session, feed: Feed, since: datetime) -> list[Appointment]:
    """What the feed shows: from a moment on, in the order of time."""
    if feed.patient_id is not None:
        whose: str | UUID | None = feed.patient_id
        condition = "a.patient_id = $2"
    elif feed.place_id is not None:
        whose, condition = feed.place_id, "a.place_id = $2"
    else:
        whose, condition = feed.npi, "a.npi = $2"
    return await list_where(session, _OF_FEED.format(whose=condition), since, whose, feed.practice_id)


def _feed_of(row: Any) -> Feed | None:
    return None if row is None else Feed(**row)
