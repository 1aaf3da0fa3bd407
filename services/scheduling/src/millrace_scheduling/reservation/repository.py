"""Statements that reserve and release a provider's time.

Together with the constraints of the table they prevent double bookings: time is reserved by an insert that does nothing
if another reservation of the provider overlaps, unless that is released (decision 0034). It relies on no earlier read,
which could be outdated. Every statement that changes reserved time also inserts a dirty mark, so that the provider's
openings are recomputed.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from millrace_platform.database import Session
from millrace_platform.statements import Statements, fetch, fetch_first
from millrace_scheduling.reservation.model import ERASED_PATIENT_ID, Owner, Reservation, TimeRange, Visit
from millrace_scheduling.statement import NamedStatement

# ruff: noqa: S608 # constants
EXPIRY_BATCH: Final = 500
"""Maximum of holds expired in one transaction."""
RELEASED_RETENTION: Final = timedelta(days=1)
"""How long a released reservation can still be looked up by its id."""


def insert_reservation(source: str = "") -> str:
    """Return SQL CTEs that reserve time if the FROM clause `source` yields a row.

    Their parameters are those of `reservation_values`. The CTE `reserved` has a row if the time was free.
    """
    # Without ON CONFLICT an insert waits for those that overlap, and many inserts of one slot would deadlock.
    return f"""
reserved AS (
    INSERT INTO reservations (id, provider_location_id, npi, patient_id, dependant_id, start, minutes, occupied, kind,
        expires_at, visit_type, visit_reason, mode, patient_kind, address_hash, offer_id, is_extended, created_at)
    SELECT :id::uuid, :provider_location_id::uuid, :npi::text, :patient_id::uuid, :dependant_id::uuid,
        :start::timestamptz, :minutes::integer, tstzrange(:occupied_from::timestamptz, :occupied_until::timestamptz),
        :kind::text, :expires_at::timestamptz, :visit_type::text, :visit_reason::text, :mode::text,
        :patient_kind::text, :address_hash::bytea, :offer_id::uuid, :offer_id::uuid IS NOT NULL, :now::timestamptz
    {source}
    ON CONFLICT DO NOTHING
    RETURNING npi, occupied
), dirty_mark AS (
    INSERT INTO dirty_openings (npi, changed_from, changed_until, may_free_time)
    SELECT npi, lower(occupied), upper(occupied), false FROM reserved
)"""


def _release(condition: str) -> str:
    """Return SQL CTEs that release the matching reservations; the CTE `released` has a row for each."""
    return f"""
released AS (
    UPDATE reservations SET is_released = true, address_hash = NULL WHERE {condition} RETURNING npi, occupied
), dirty_mark AS (
    INSERT INTO dirty_openings (npi, changed_from, changed_until)
    SELECT npi, lower(occupied), upper(occupied) FROM released
)"""


# Whether a reservation overlaps another one of the provider, with buffers, or of the person, without. Visits with their
# buffers last at most a day and a half, so two days bound the scan of the index on (npi, start).
_OVERLAPS: Final = """(
    npi = :npi AND start > :occupied_from::timestamptz - interval '2 days' AND start < :occupied_until::timestamptz
        AND occupied && tstzrange(:occupied_from::timestamptz, :occupied_until::timestamptz)
    OR patient_id = :patient_id::uuid AND dependant_id IS NOT DISTINCT FROM :dependant_id::uuid
        AND visit_range(start, minutes) && visit_range(:start::timestamptz, :minutes::integer)
)"""

RESERVE: Final = NamedStatement(f"WITH {insert_reservation()} SELECT 1 FROM reserved")
_RELEASE: Final = NamedStatement(f"WITH {_release('id = :id AND NOT is_released')} SELECT 1 FROM released")
_MARK_BOOKED: Final = NamedStatement(
    "UPDATE reservations SET kind = 'appointment', expires_at = NULL, address_hash = NULL WHERE id = :id"
)
_EXPIRE: Final = NamedStatement(f"""
WITH expired AS MATERIALIZED (
    SELECT id FROM reservations WHERE NOT is_released AND kind = 'hold' AND expires_at <= :now
    ORDER BY expires_at LIMIT {EXPIRY_BATCH} FOR UPDATE SKIP LOCKED
), {_release("id IN (SELECT id FROM expired)")}
SELECT count(*) AS number FROM released
""")
# Waits for transactions that are ending one of these holds: such a hold is no obstacle either.
_EXPIRE_OVERLAPPING: Final = NamedStatement(f"""
WITH expired AS MATERIALIZED (
    SELECT id FROM reservations WHERE NOT is_released AND kind = 'hold' AND expires_at <= :now AND {_OVERLAPS}
), locked AS MATERIALIZED (
    SELECT id FROM reservations WHERE id IN (SELECT id FROM expired) AND NOT is_released ORDER BY id FOR UPDATE
), {_release("id IN (SELECT id FROM locked)")}
SELECT NOT EXISTS (
    SELECT FROM reservations WHERE NOT is_released AND (expires_at IS NULL OR expires_at > :now) AND {_OVERLAPS}
) AS is_free
""")
_FIND_OTHERS: Final = NamedStatement(
    f"SELECT 1 FROM reservations WHERE NOT is_released AND {_OVERLAPS} AND id <> :own_id LIMIT 1"
)
_LIST_PERSON_TIMES: Final = """
SELECT start, minutes FROM reservations
WHERE patient_id = $1 AND dependant_id IS NOT DISTINCT FROM $2 AND NOT is_released
    AND (expires_at IS NULL OR expires_at > $3) AND start + minutes * interval '1 minute' > $3
ORDER BY start LIMIT 1000
"""
_RELEASE_FOR_PATIENT: Final = NamedStatement(f"""
WITH {_release("patient_id = :patient_id AND NOT is_released AND (kind = 'hold' OR id = ANY (:ended))")}
SELECT 1 FROM released
""")
_ANONYMIZE: Final = NamedStatement(
    "UPDATE reservations SET patient_id = :erased_id, dependant_id = NULL WHERE patient_id = :patient_id"
)
_DELETE_RELEASED: Final = NamedStatement("""
DELETE FROM reservations WHERE id = ANY (
    ARRAY(SELECT id FROM reservations WHERE is_released AND created_at < :before LIMIT :limit)
)
""")

Reserve: TypeAlias = Callable[[Session, Reservation, datetime], Awaitable[bool]]
"""Type of the function `reserve`, so that tests can replace it."""


async def reserve(session: Session, reservation: Reservation, now: datetime) -> bool:
    """Reserve the time; return False if another reservation of the provider or the person overlaps.

    Overlapping expired holds are released.
    """
    statement = RESERVE.bind(**reservation_values(reservation, now))
    if await fetch_first(session, *statement) is not None:
        return True
    is_free = await expire_overlapping_holds(session, reservation, now)
    return is_free and await fetch_first(session, *statement) is not None


async def expire_overlapping_holds(session: Statements, reservation: Reservation, now: datetime) -> bool:
    """Release the expired holds that overlap the reservation; return whether its time is now free.

    It is free if neither the provider nor the person has another reservation.
    """
    statement = _EXPIRE_OVERLAPPING.bind(**reservation_values(reservation, now))
    return bool((await fetch_first(session, *statement))["is_free"])


def reservation_values(reservation: Reservation, now: datetime) -> dict[str, Any]:
    """Return the values of the parameters in `insert_reservation`, by name."""
    owner, visit = reservation.owner, reservation.visit
    return {
        "id": reservation.id,
        "provider_location_id": visit.provider_location_id,
        "npi": visit.npi,
        "patient_id": owner.patient_id,
        "dependant_id": owner.dependant_id,
        "start": visit.start,
        "minutes": visit.minutes,
        "occupied_from": reservation.occupied.begin,
        "occupied_until": reservation.occupied.end,
        "kind": "appointment" if reservation.expires_at is None else "hold",
        "expires_at": reservation.expires_at,
        "visit_type": visit.visit_type,
        "visit_reason": visit.visit_reason,
        "mode": visit.mode,
        "patient_kind": visit.patient_kind,
        "address_hash": owner.address_hash,
        "offer_id": reservation.offer_id,
        "now": now,
    }


async def release(session: Session, reservation_id: UUID) -> bool:
    """Release the time; return False if it was released before."""
    return await fetch_first(session, *_RELEASE.bind(id=reservation_id)) is not None


async def mark_booked(session: Session, hold_id: UUID) -> None:
    """Turn the reservation of an active hold, which the caller has locked, into that of an appointment."""
    await fetch_first(session, *_MARK_BOOKED.bind(id=hold_id))


async def is_occupied_by_others(session: Session, reservation: Reservation, own_id: UUID, now: datetime) -> bool:
    """Return whether a reservation of the provider or the person other than `own_id` overlaps.

    Released ones don't count.
    """
    statement = _FIND_OTHERS.bind(**reservation_values(reservation, now), own_id=own_id)
    return await fetch_first(session, *statement) is not None


async def list_person_times(session: Session, owner: Owner, now: datetime) -> list[TimeRange]:
    """Return the times of up to 1,000 current and future visits of a person, in order."""
    rows = await fetch(session, _LIST_PERSON_TIMES, owner.patient_id, owner.dependant_id, now)
    return [TimeRange(row["start"], row["start"] + timedelta(minutes=row["minutes"])) for row in rows]


async def expire_holds(session: Session, now: datetime) -> int:
    """Release up to `EXPIRY_BATCH` expired holds; return how many."""
    number: int = (await fetch_first(session, *_EXPIRE.bind(now=now)))["number"]
    return number


async def delete_released(session: Session, now: datetime) -> None:
    """Delete up to 5,000 released reservations that were created longer than `RELEASED_RETENTION` ago."""
    await fetch(session, *_DELETE_RELEASED.bind(before=now - RELEASED_RETENTION, limit=10 * EXPIRY_BATCH))


async def erase_patient(session: Session, patient_id: UUID, ended: Sequence[UUID]) -> None:
    """Release the patient's holds and the reservations `ended` (ids); remove the patient's id from all."""
    await fetch(session, *_RELEASE_FOR_PATIENT.bind(patient_id=patient_id, ended=ended))
    await fetch(session, *_ANONYMIZE.bind(patient_id=patient_id, erased_id=ERASED_PATIENT_ID))


def visit_from_row(row: Any) -> Visit:
    """Return the visit from a row of a reservation or an appointment joined with its provider-location."""
    return Visit(
        provider_location_id=row["provider_location_id"],
        npi=row["npi"],
        practice_id=row["practice_id"],
        time_zone=row["time_zone"],
        start=row["start"],
        minutes=row["minutes"],
        visit_type=row["visit_type"],
        visit_reason=row["visit_reason"],
        mode=row["mode"],
        patient_kind=row["patient_kind"],
    )
