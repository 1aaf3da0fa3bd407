"""The table of calendar feeds, its rows, and the appointments that feeds list."""

from collections.abc import Collection
from dataclasses import astuple
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import CheckConstraint, Column, DateTime, Index, LargeBinary, Table, Text, UniqueConstraint, Uuid

from millrace_platform.database import Session
from millrace_platform.statements import fetch, fetch_first
from millrace_scheduling.appointment.model import Appointment
from millrace_scheduling.appointment.repository import list_where
from millrace_scheduling.calendar.model import VisitType
from millrace_scheduling.calendar_feed.model import CalendarFeed, LocationDetails
from millrace_scheduling.tables import metadata

calendar_feeds = Table(
    "calendar_feeds",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("patient_id", Uuid),
    Column("provider_location_id", Uuid, index=True),
    Column("npi", Text),
    Column("practice_id", Uuid),
    Column("created_by", Uuid, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("confirmed_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("secret_hash"),
    CheckConstraint("num_nonnulls(patient_id, provider_location_id, npi) = 1", name="owner"),
    Index("calendar_feeds_created_by_id_idx", "created_by", "id"),
    Index("calendar_feeds_practice_id_id_idx", "practice_id", "id"),
)
"""`secret_hash`: only a digest, so that read access to the database gives no access to the feeds."""

_COLUMNS: Final = "id, created_by, created_at, confirmed_at, patient_id, provider_location_id, npi, practice_id"
# ruff: noqa: S608 # constants
_ADD = f"INSERT INTO calendar_feeds ({_COLUMNS}, secret_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
_BY_SECRET = f"SELECT {_COLUMNS} FROM calendar_feeds WHERE secret_hash = $1"
_FIND = f"SELECT {_COLUMNS} FROM calendar_feeds WHERE id = $1"
_LIST = f"SELECT {_COLUMNS} FROM calendar_feeds WHERE created_by = $1 ORDER BY id LIMIT $2"
_LIST_OF_PRACTICE: Final = f"""
SELECT {_COLUMNS} FROM calendar_feeds
WHERE (practice_id = $1 OR provider_location_id IN (SELECT id FROM provider_locations WHERE practice_id = $1))
    AND ($2::uuid IS NULL OR id > $2)
ORDER BY id LIMIT $3
"""
_CONFIRM: Final = "UPDATE calendar_feeds SET confirmed_at = $2 WHERE id = ANY ($1)"
_DELETE = "DELETE FROM calendar_feeds WHERE id = $1"
_DELETE_OF_PATIENT = "DELETE FROM calendar_feeds WHERE patient_id = $1 OR created_by = $1"
_DETAILS: Final = """
SELECT p.id, p.address, pr.name AS provider_name, greatest(p.copied_at, pr.copied_at) AS changed_at,
    (c.document -> 'visit_types')::text AS visit_types
FROM provider_locations p LEFT JOIN providers pr ON pr.npi = p.npi
LEFT JOIN calendars c ON c.provider_location_id = p.id
WHERE p.id = ANY ($1)
"""
_APPOINTMENTS: Final = (
    "WHERE {condition} AND a.start >= $1 AND ($3::uuid IS NULL OR p.practice_id = $3) ORDER BY a.start, a.id LIMIT 2000"
)


async def add(session: Session, feed: CalendarFeed, secret_hash: bytes) -> None:
    await fetch_first(session, _ADD, *astuple(feed), secret_hash)


async def find_by_secret(session: Session, secret_hash: bytes) -> CalendarFeed | None:
    return _feed_from(await fetch_first(session, _BY_SECRET, secret_hash))


async def find(session: Session, feed_id: UUID) -> CalendarFeed | None:
    return _feed_from(await fetch_first(session, _FIND, feed_id))


async def list_created_by(session: Session, created_by: UUID, limit: int) -> list[CalendarFeed]:
    """Return the feeds that a user created, the oldest first."""
    return [CalendarFeed(**row) for row in await fetch(session, _LIST, created_by, limit)]


async def list_of_practice(session: Session, practice_id: UUID, after: UUID | None, limit: int) -> list[CalendarFeed]:
    """Return the feeds that staff made of the practice's provider-locations and providers, the oldest first."""
    return [CalendarFeed(**row) for row in await fetch(session, _LIST_OF_PRACTICE, practice_id, after, limit)]


async def confirm(session: Session, feed_ids: Collection[UUID], now: datetime) -> None:
    """Store that the creator of these feeds has the right to what they list."""
    await fetch(session, _CONFIRM, list(feed_ids), now)


async def delete(session: Session, feed_id: UUID) -> None:
    await fetch_first(session, _DELETE, feed_id)


async def delete_patient_feeds(session: Session, patient_id: UUID) -> None:
    """Delete the feeds that a patient created, or that list the patient's appointments."""
    await fetch(session, _DELETE_OF_PATIENT, patient_id)


async def list_appointments(session: Session, feed: CalendarFeed, since: datetime) -> list[Appointment]:
    """Return the appointments that a feed lists and that start at `since` or later, ordered by start."""
    if feed.patient_id is not None:
        key: str | UUID | None = feed.patient_id
        condition = "a.patient_id = $2"
    elif feed.provider_location_id is not None:
        key, condition = feed.provider_location_id, "a.provider_location_id = $2"
    else:
        key, condition = feed.npi, "a.npi = $2"
    return await list_where(session, _APPOINTMENTS.format(condition=condition), since, key, feed.practice_id)


async def find_details(session: Session, provider_location_ids: Collection[UUID]) -> dict[UUID, LocationDetails]:
    """Return what this service knows of the provider-locations, by id."""
    return {row["id"]: _details_from(row) for row in await fetch(session, _DETAILS, list(provider_location_ids))}


def _details_from(row: Any) -> LocationDetails:
    visit_types = [] if row["visit_types"] is None else msgspec.json.decode(row["visit_types"], type=list[VisitType])
    return LocationDetails(
        provider_name=row["provider_name"],
        address=row["address"],
        visit_types={each.id: each.name for each in visit_types},
        changed_at=row["changed_at"],
    )


def _feed_from(row: Any) -> CalendarFeed | None:
    return None if row is None else CalendarFeed(**row)
