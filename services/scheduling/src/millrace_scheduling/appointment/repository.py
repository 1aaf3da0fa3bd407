"""Database access for appointments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from millrace_feeds.outbox import NOTIFY_STATEMENT, insert_outbox_row_cte
from millrace_platform.database import Session
from millrace_platform.idempotency import insert_record_cte
from millrace_platform.statements import Statements, fetch, fetch_first
from millrace_scheduling.appointment.model import Appointment, Cancellation, Party, State
from millrace_scheduling.calendar.repository import JOIN_CALENDAR, TIME_ZONE
from millrace_scheduling.hold.repository import IS_BELOW_VISIT_LIMITS, limit_values
from millrace_scheduling.provider_location.model import ProviderLocation
from millrace_scheduling.provider_location.repository import provider_location_from_row
from millrace_scheduling.reservation.repository import visit_from_row
from millrace_scheduling.statement import NamedStatement
from millrace_scheduling.visit_limits import UpcomingVisits, VisitLimits

# ruff: noqa: S608 # constants
_SELECT: Final = f"""
SELECT a.id, a.version, a.state, a.reservation_id, a.patient_id, a.dependant_id, a.insurance_card_id,
    a.provider_location_id, a.npi, {TIME_ZONE}, a.start, a.minutes, a.visit_type, a.visit_reason, a.mode,
    a.patient_kind, a.sequence, a.moved_from, a.cancelled_by, a.cancellation_reason, a.completed_at, a.created_at,
    a.updated_at, p.practice_id, p.version AS provider_location_version,
    coalesce((c.document ->> 'cancellation_cutoff')::integer, 0) AS notice
FROM appointments a JOIN provider_locations p ON p.id = a.provider_location_id {JOIN_CALENDAR}
"""
_IN_RANGE: Final = "AND (a.start, a.id) > ($2, $3) AND a.start < $5 ORDER BY a.start, a.id LIMIT $4"
# One statement turns a hold into an appointment: its row lock on the reservation orders booking and expiry, and the
# lock of `count_reservations` orders the bookings of a patient (decision 0108).
_BOOK: Final = NamedStatement(
    f"""
WITH usage AS MATERIALIZED (
    SELECT visits_with_provider, visits_in_all FROM count_reservations(:patient_id, :npi, NULL, :now)
), reservation AS (
    UPDATE reservations SET kind = 'appointment', expires_at = NULL, address_hash = NULL
    FROM usage
    WHERE id = :id AND patient_id = :patient_id AND kind = 'hold' AND NOT is_released AND expires_at > :now
        AND {IS_BELOW_VISIT_LIMITS}
    RETURNING reservations.*
), appointment AS (
    INSERT INTO appointments (id, version, state, reservation_id, patient_id, dependant_id, insurance_card_id,
        provider_location_id, npi, start, minutes, visit_type, visit_reason, mode, patient_kind, sequence,
        created_at, updated_at)
    SELECT id, 1, 'booked', id, patient_id, dependant_id, :insurance_card_id::uuid,
        provider_location_id, npi, start, minutes, visit_type, visit_reason, mode, patient_kind, 0, :now, :now
    FROM reservation
    RETURNING id
),
{{idempotency_record}},
{{outbox_row}}
SELECT usage.*, EXISTS (SELECT FROM appointment) AS is_booked, ({NOTIFY_STATEMENT} FROM appointment) FROM usage
""",
    idempotency_record=partial(insert_record_cte, "appointment"),
    outbox_row=partial(insert_outbox_row_cte, "appointment"),
)
_SAVE: Final = NamedStatement("""
UPDATE appointments SET version = :version, state = :state, reservation_id = :reservation_id, patient_id = :patient_id,
    dependant_id = :dependant_id, insurance_card_id = :insurance_card_id, start = :start, minutes = :minutes,
    visit_type = :visit_type, sequence = :sequence,
    moved_from = :moved_from, cancelled_by = :cancelled_by, cancellation_reason = :cancellation_reason,
    completed_at = :completed_at, updated_at = :updated_at
WHERE id = :id AND version = :version - 1 RETURNING id
""")
ERASURE_BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class AppointmentRow:
    """An appointment with its provider-location, and how long before the visit patients can still change it."""

    appointment: Appointment
    provider_location: ProviderLocation
    notice: timedelta


class BookingAttempt(NamedTuple):
    """Result of `book`: whether the hold was booked, and the patient's upcoming visits before the attempt."""

    is_booked: bool
    visits: UpcomingVisits


Position = tuple[datetime, UUID]
"""Sort key of appointments, also the position in a list: (start, id), earliest first."""


def position_before(moment: datetime) -> Position:
    """Return a list position that precedes all appointments starting at `moment` or later."""
    return moment, UUID(int=0)


async def book(
    session: Statements,
    appointment: Appointment,
    limits: VisitLimits,
    idempotency_record: Sequence[object],
    outbox_row: Sequence[object],
) -> BookingAttempt:
    """Turn the patient's active hold into this appointment, if the hold is still active and the limits allow it.

    The same statement inserts the idempotency record and the event's outbox row (decision 0039).
    """
    statement = _BOOK.bind(
        id=appointment.id,
        patient_id=appointment.patient_id,
        insurance_card_id=appointment.insurance_card_id,
        npi=appointment.visit.npi,
        now=appointment.created_at,
        **limit_values(limits),
        idempotency_record=idempotency_record,
        outbox_row=outbox_row,
    )
    row = await fetch_first(session, *statement)
    return BookingAttempt(row["is_booked"], UpcomingVisits(row["visits_with_provider"], row["visits_in_all"]))


async def find(session: Session, appointment_id: UUID) -> AppointmentRow | None:
    """Return the appointment; None if there is none."""
    return _row_from(await fetch_first(session, _SELECT + "WHERE a.id = $1", appointment_id))


async def find_for_update(session: Session, appointment_id: UUID) -> AppointmentRow | None:
    """Lock and return the appointment; None if there is none."""
    return _row_from(await fetch_first(session, _SELECT + "WHERE a.id = $1 FOR UPDATE OF a", appointment_id))


async def save(session: Session, appointment: Appointment) -> None:
    """Write the next version of an appointment that is locked."""
    visit, cancellation = appointment.visit, appointment.cancellation
    statement = _SAVE.bind(
        id=appointment.id,
        version=appointment.version,
        state=appointment.state.value,
        reservation_id=appointment.reservation_id,
        patient_id=appointment.patient_id,
        dependant_id=appointment.dependant_id,
        insurance_card_id=appointment.insurance_card_id,
        start=visit.start,
        minutes=visit.minutes,
        visit_type=visit.visit_type,
        sequence=appointment.sequence,
        moved_from=appointment.moved_from,
        cancelled_by=None if cancellation is None else cancellation.by.value,
        cancellation_reason=None if cancellation is None else cancellation.reason,
        completed_at=appointment.completed_at,
        updated_at=appointment.updated_at,
    )
    if await fetch_first(session, *statement) is None:
        raise RuntimeError("the appointment was changed without its lock")


async def list_for_patient(
    session: Session, patient_id: UUID, after: Position, before: datetime, limit: int
) -> list[Appointment]:
    """Return a patient's appointments after a position that start before a moment, ordered by start."""
    return await list_where(session, f"WHERE a.patient_id = $1 {_IN_RANGE}", patient_id, *after, limit, before)


async def list_at_provider_location(
    session: Session, provider_location_id: UUID, after: Position, before: datetime, limit: int
) -> list[Appointment]:
    """Return a provider-location's appointments after a position that start before a moment, ordered by start."""
    clauses = f"WHERE a.provider_location_id = $1 {_IN_RANGE}"
    return await list_where(session, clauses, provider_location_id, *after, limit, before)


async def list_upcoming_for_update(
    session: Session, provider_location_id: UUID, after: Position, limit: int
) -> list[Appointment]:
    """Lock and return booked and confirmed appointments at a provider-location after a position, ordered by start."""
    clauses = """WHERE a.provider_location_id = $1 AND a.state IN ('booked', 'confirmed')
        AND (a.start, a.id) > ($2, $3) ORDER BY a.start, a.id LIMIT $4 FOR UPDATE OF a"""
    return await list_where(session, clauses, provider_location_id, *after, limit)


async def list_for_erasure(session: Session, patient_id: UUID) -> list[Appointment]:
    """Lock and return up to `ERASURE_BATCH` appointments that still have the patient's id."""
    clauses = f"WHERE a.patient_id = $1 ORDER BY a.id LIMIT {ERASURE_BATCH} FOR UPDATE OF a"
    return await list_where(session, clauses, patient_id)


async def list_after(session: Session, appointment_id: UUID, limit: int) -> list[Appointment]:
    """Return appointments whose id is greater than the given one, ordered by id."""
    return await list_where(session, "WHERE a.id > $1 ORDER BY a.id LIMIT $2", appointment_id, limit)


async def list_where(session: Session, clauses: str, *arguments: object) -> list[Appointment]:
    """Return the appointments that constant SQL clauses select; `a` is an appointment, `p` its provider-location."""
    return [_appointment_from(row) for row in await fetch(session, _SELECT + clauses, *arguments)]


def _row_from(row: Any) -> AppointmentRow | None:
    if row is None:
        return None
    notice = timedelta(minutes=row["notice"])
    return AppointmentRow(_appointment_from(row), provider_location_from_row(row), notice)


def _appointment_from(row: Any) -> Appointment:
    by = row["cancelled_by"]
    return Appointment(
        id=row["id"],
        version=row["version"],
        state=State(row["state"]),
        reservation_id=row["reservation_id"],
        patient_id=row["patient_id"],
        dependant_id=row["dependant_id"],
        insurance_card_id=row["insurance_card_id"],
        visit=visit_from_row(row),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        sequence=row["sequence"],
        moved_from=row["moved_from"],
        cancellation=None if by is None else Cancellation(Party(by), row["cancellation_reason"]),
        completed_at=row["completed_at"],
    )
