"""Rows of appointments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from millrace_feeds.outbox import NOTIFY_STATEMENT, telling
from millrace_platform.database import Session
from millrace_platform.idempotency import keeping
from millrace_platform.statements import Statements, fetch, first
from millrace_scheduling.appointment.model import Appointment, Cancellation, Party, State
from millrace_scheduling.claim.repository import visit_of
from millrace_scheduling.place.model import Place

_COLUMNS: Final = """a.id, a.version, a.state, a.claim_id, a.patient_id, a.dependant_id, a.place_id, a.npi, a.time_zone,
    a.start, a.minutes, a.visit_type, a.visit_reason, a.mode, a.patient_kind, a.sequence, a.moved_from, a.cancelled_by,
    a.cancellation_reason, a.completed_at, a.created_at, a.updated_at"""
_FROM: Final = f"""
SELECT {_COLUMNS}, p.practice_id, p.version AS place_version,
    coalesce((c.document ->> 'cancellation_cutoff')::integer, 0) AS notice
FROM appointments a JOIN places p ON p.id = a.place_id LEFT JOIN calendars c ON c.place_id = a.place_id
"""  # noqa: S608 # constants
_GET: Final = _FROM + "WHERE a.id = $1"
_OF_PATIENT: Final = _FROM + "WHERE a.patient_id = $1 AND (a.start, a.id) > ($2, $3) ORDER BY a.start, a.id LIMIT $4"
_AT_PLACE: Final = (
    _FROM + "WHERE a.place_id = $1 AND (a.start, a.id) > ($2, $3) AND a.start < $5 ORDER BY a.start, a.id LIMIT $4"
)
# One statement makes an appointment of a hold: the row of the claim is where booking and lapsing meet.
_BOOK: Final = f"""
WITH claim AS (
    UPDATE claims SET kind = 'appointment', expires_at = NULL, address = NULL
    WHERE id = $1 AND patient_id = $2 AND kind = 'hold' AND live AND expires_at > $3
    RETURNING *
), made AS (
    INSERT INTO appointments (id, version, state, claim_id, patient_id, dependant_id, place_id, npi, time_zone, start,
        minutes, visit_type, visit_reason, mode, patient_kind, sequence, created_at, updated_at)
    SELECT id, 1, 'booked', id, patient_id, dependant_id, place_id, npi, $4, start, minutes, visit_type, visit_reason,
        mode, patient_kind, 0, $3, $3
    FROM claim
    RETURNING id
), {keeping("made", 5)}, {telling("made", 12)}
{NOTIFY_STATEMENT} FROM made
"""  # noqa: S608 # constants
_SAVE: Final = """
UPDATE appointments SET version = $2, state = $3, claim_id = $4, patient_id = $5, dependant_id = $6, start = $7,
    minutes = $8, visit_type = $9, sequence = $10, moved_from = $11, cancelled_by = $12, cancellation_reason = $13,
    completed_at = $14, updated_at = $15, time_zone = $16
WHERE id = $1 AND version = $2 - 1 RETURNING id
"""
_ALL_OF_PATIENT: Final = _FROM + "WHERE a.patient_id = $1 ORDER BY a.id LIMIT 1000 FOR UPDATE OF a"
_AFTER: Final = _FROM + "WHERE a.id > $1 ORDER BY a.id LIMIT $2"


@dataclass(frozen=True, slots=True)
class Stored:
    """An appointment with what decides about its changes: its place, and the notice that is asked of patients."""

    appointment: Appointment
    place: Place
    notice: timedelta


Position = tuple[datetime, UUID]
"""The sort key of a list: start, id."""


async def book(
    session: Statements, appointment: Appointment, answer: Sequence[object], event: Sequence[object]
) -> bool:
    """Make the patient's running hold this appointment; False where it doesn't run any more.

    Keeps the answer (its `kept_row`) and tells of it (`outbox_record`).
    """
    at, zone = appointment.created_at, appointment.visit.time_zone
    return await first(session, _BOOK, appointment.id, appointment.patient_id, at, zone, *answer, *event) is not None


async def find(session: Session, appointment_id: UUID, *, lock: bool = False) -> Stored | None:
    """`lock`: nobody else changes it before the transaction ends."""
    row = await first(session, _GET + (" FOR UPDATE OF a" if lock else ""), appointment_id)
    return None if row is None else _stored_of(row)


async def save(session: Session, appointment: Appointment) -> None:
    """Write the next version of a row that is locked."""
    visit, cancellation = appointment.visit, appointment.cancellation
    saved = await first(
        session,
        _SAVE,
        appointment.id,
        appointment.version,
        appointment.state.value,
        appointment.claim_id,
        appointment.patient_id,
        appointment.dependant_id,
        visit.start,
        visit.minutes,
        visit.visit_type,
        appointment.sequence,
        appointment.moved_from,
        None if cancellation is None else cancellation.by.value,
        None if cancellation is None else cancellation.reason,
        appointment.completed_at,
        appointment.updated_at,
        visit.time_zone,
    )
    if saved is None:
        raise RuntimeError("an appointment was changed beside its lock")


async def list_of_patient(session: Session, patient_id: UUID, after: Position, limit: int) -> list[Appointment]:
    """In the order of time, behind a position."""
    return [_appointment_of(row) for row in await fetch(session, _OF_PATIENT, patient_id, *after, limit)]


async def list_at_place(
    session: Session, place_id: UUID, after: Position, before: datetime, limit: int
) -> list[Appointment]:
    """In the order of time, behind a position and before a moment."""
    return [_appointment_of(row) for row in await fetch(session, _AT_PLACE, place_id, *after, limit, before)]


async def all_of_patient(session: Session, patient_id: UUID) -> list[Appointment]:
    """Up to 1,000, locked: to be forgotten."""
    return [_appointment_of(row) for row in await fetch(session, _ALL_OF_PATIENT, patient_id)]


async def list_after(session: Session, appointment_id: UUID, limit: int) -> list[Appointment]:
    """In the order of their ids."""
    return [_appointment_of(row) for row in await fetch(session, _AFTER, appointment_id, limit)]


async def select_appointments(session: Session, clauses: str, *arguments: object) -> list[Appointment]:
    """By clauses of our own on appointments `a` and places `p`; never of anything that was sent."""
    return [_appointment_of(row) for row in await fetch(session, _FROM + clauses, *arguments)]


def _stored_of(row: Any) -> Stored:
    place = Place(row["place_id"], row["npi"], row["practice_id"], row["time_zone"], row["place_version"])
    return Stored(_appointment_of(row), place, timedelta(minutes=row["notice"]))


def _appointment_of(row: Any) -> Appointment:
    by = row["cancelled_by"]
    return Appointment(
        id=row["id"],
        version=row["version"],
        state=State(row["state"]),
        claim_id=row["claim_id"],
        patient_id=row["patient_id"],
        dependant_id=row["dependant_id"],
        visit=visit_of(row),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        sequence=row["sequence"],
        moved_from=row["moved_from"],
        cancellation=None if by is None else Cancellation(Party(by), row["cancellation_reason"]),
        completed_at=row["completed_at"],
    )


def positions_before(moment: datetime) -> Position:
    """Behind which a list begins that takes all from `moment` on."""
    return moment, UUID(int=0)
