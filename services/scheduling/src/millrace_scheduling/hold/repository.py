"""Database access for holds.

Creating a hold takes one read and one write (decision 0039). The read returns the idempotency record of the request's
key and, if there is none, the booking context: what decides about the request. The write does all the rest in one
statement.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from millrace_platform.database import Connection, Session
from millrace_platform.idempotency import IdempotencyKey, insert_record_cte, select_record_or
from millrace_platform.statements import Statements, fetch, fetch_first
from millrace_scheduling.availability.repository import booking_context_query
from millrace_scheduling.calendar.repository import JOIN_CALENDAR, TIME_ZONE
from millrace_scheduling.hold.model import HOLDS_PER_ADDRESS, HOLDS_PER_PATIENT, Hold, Usage
from millrace_scheduling.patient import repository as patients
from millrace_scheduling.reservation.model import Owner, Reservation, Visit
from millrace_scheduling.reservation.repository import (
    Reserve,
    insert_reservation,
    reservation_values,
    reserve,
    visit_from_row,
)
from millrace_scheduling.statement import NamedStatement
from millrace_scheduling.visit_limits import PracticeLimits, UpcomingVisits, VisitLimits


def _select_holds(condition: str, more: str = "") -> str:
    """Return the SQL of holds with the columns of `hold_from_row`, and `more` ones, each after a comma."""
    return f"""
SELECT r.id, r.patient_id, r.dependant_id, r.expires_at, r.is_extended, r.offer_id, r.is_released, r.kind,
    r.provider_location_id, r.npi, r.start, r.minutes, r.visit_type, r.visit_reason, r.mode, r.patient_kind,
    p.practice_id, {TIME_ZONE}{more}
FROM reservations r JOIN provider_locations p ON p.id = r.provider_location_id {JOIN_CALENDAR}
WHERE {condition}
"""  # noqa: S608 # constants


_RECORD_OR_CONTEXT: Final = select_record_or(f"""
SELECT context.*, {patients.owns_dependant("$1", "$6::uuid")} AS owns_dependant,
    {patients.registered_at("$1")} AS registered_at
FROM ({booking_context_query("$3", "$4", "$5")}) AS context
""")  # noqa: S608 # constants
_HOLD: Final = _select_holds("r.patient_id = $1 AND r.id = $2")
_PRACTICE_LIMITS: Final = """,
    (c.document ->> 'visits_per_patient')::integer AS visits_per_patient,
    (c.document ->> 'first_day_visits_per_patient')::integer AS first_day_visits_per_patient"""
_RECORD_OR_HOLD: Final = select_record_or(f"""
SELECT hold.*, {patients.may_book("$1", "hold.dependant_id", "$4::uuid")} AS may_book,
    {patients.registered_at("$1")} AS registered_at
FROM ({_select_holds("r.patient_id = $1 AND r.id = $3", _PRACTICE_LIMITS)}) AS hold
""")  # noqa: S608 # constants
_ACTIVE: Final = "NOT r.is_released AND (r.expires_at IS NULL OR r.expires_at > :now)"
_OWN_HOLDS: Final = NamedStatement(
    _select_holds(f"r.patient_id = :patient_id AND r.kind = 'hold' AND {_ACTIVE}")
    + "ORDER BY r.start, r.id LIMIT :limit"
)
_OWN_OVERLAP: Final = NamedStatement(
    _select_holds(f"""
r.patient_id = :patient_id AND {_ACTIVE} AND r.id <> :other_than AND (
    r.dependant_id IS NOT DISTINCT FROM :dependant_id::uuid
        AND visit_range(r.start, r.minutes) && visit_range(:start::timestamptz, :minutes::integer)
    OR r.provider_location_id = :provider_location_id AND r.start = :start::timestamptz
)""")
    + "ORDER BY (r.provider_location_id, r.start) = (:provider_location_id, :start::timestamptz) DESC LIMIT 1"
)
_OWN_HOLD_AT: Final = NamedStatement(
    _select_holds(f"""
r.patient_id = :patient_id AND {_ACTIVE} AND r.provider_location_id = :provider_location_id AND r.start = :start
""")
)
# `count_reservations` locks the patient, so that concurrent holds and bookings of one patient are counted one after the
# other (decisions 0036 and 0108).
IS_BELOW_VISIT_LIMITS: Final = (
    "visits_with_provider < :max_with_provider::bigint AND visits_in_all < :max_in_all::bigint"
)
"""SQL condition on a row of `count_reservations`; its parameters are those of `limit_values`."""
_IS_BELOW_LIMITS: Final = (
    f"by_patient < {HOLDS_PER_PATIENT} AND by_address < {HOLDS_PER_ADDRESS} AND {IS_BELOW_VISIT_LIMITS}"
)
_RESERVE_HOLD: Final = NamedStatement(
    f"""
WITH usage AS MATERIALIZED (
    SELECT * FROM count_reservations(:patient_id, :npi, :address_hash, :now)
), {insert_reservation(f"FROM usage WHERE {_IS_BELOW_LIMITS}")},
{{idempotency_record}}
SELECT usage.*, EXISTS (SELECT FROM reserved) AS is_reserved FROM usage
""",  # noqa: S608 # constants
    idempotency_record=partial(insert_record_cte, "reserved"),
)
# The lock is that of `count_reservations`, which waits for it.
_TRY_LOCK_PATIENT: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended($1::uuid::text, 0)) AS is_locked"
_USAGE: Final = f"""
SELECT usage.*, {patients.registered_at("$1")} AS registered_at FROM count_reservations($1, $2, NULL, $3) AS usage
"""  # noqa: S608 # constants
NO_RESERVATION: Final = UUID(int=0)
"""An id that no reservation has."""
_EXTEND: Final = NamedStatement("UPDATE reservations SET expires_at = :expires_at, is_extended = true WHERE id = :id")


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A stored hold: `is_released` once its time is free again, `is_booked` once it is an appointment.

    `offer_id` is set for the hold of a waitlist offer.
    """

    hold: Hold
    is_released: bool
    is_booked: bool
    offer_id: UUID | None

    def is_active(self, now: datetime) -> bool:
        """Return whether the hold can be booked or extended."""
        return not self.is_released and not self.is_booked and self.hold.expires_at > now


class HoldAttempt(NamedTuple):
    """Result of `reserve_hold`: whether the time was reserved, and the usage before the attempt."""

    is_reserved: bool
    usage: Usage


ReserveHold: TypeAlias = Callable[
    [Connection, Reservation, VisitLimits, Sequence[object], datetime], Awaitable[HoldAttempt]
]
"""Type of the function `reserve_hold`, so that tests can replace it."""


async def find_record_or_context(
    connection: Connection,
    owner: Owner,
    key: IdempotencyKey,
    provider_location_id: UUID,
    start: datetime,
    *,
    now: datetime,
) -> Any:
    """Return a row with the key's idempotency record or, if there is none, columns for `booking_context_from`.

    Its column `owns_dependant` says whether the copy of the patients has the owner's dependant, if there is one, and
    `registered_at` when the owner's account began.
    """
    arguments = (owner.patient_id, key.key, provider_location_id, start, now, owner.dependant_id)
    return await fetch_first(connection, _RECORD_OR_CONTEXT, *arguments)


async def find_record_or_hold(
    connection: Connection, patient_id: UUID, key: IdempotencyKey, hold_id: UUID, insurance_card_id: UUID | None
) -> Any:
    """Return a row with the key's idempotency record or, if there is none, columns for `hold_from_row`.

    By the copy of the patients, its column `may_book` says whether the patient may book the hold with the card, and
    `registered_at` when the account began. It has the columns of `practice_limits_from_row`.
    """
    return await fetch_first(connection, _RECORD_OR_HOLD, patient_id, key.key, hold_id, insurance_card_id)


async def reserve_hold(
    connection: Connection,
    reservation: Reservation,
    limits: VisitLimits,
    idempotency_record: Sequence[object],
    now: datetime,
) -> HoldAttempt:
    """Reserve the time and store the idempotency record if the patient's and the address's limits allow it.

    It is one statement, so both are stored or neither.
    """
    values = {**reservation_values(reservation, now), **limit_values(limits)}
    row = await fetch_first(connection, *_RESERVE_HOLD.bind(**values, idempotency_record=idempotency_record))
    return HoldAttempt(row["is_reserved"], usage_from_row(row))


async def try_lock_usage(
    session: Session, patient_id: UUID, npi: str, now: datetime
) -> tuple[Usage, datetime | None] | None:
    """Return the patient's usage, with the visits at the provider, and when the account began, None if unknown.

    Further holds and bookings of the patient wait until the transaction ends. Return None if one is being made at this
    moment: it may wait for time that this transaction has reserved, so that waiting for it could be a deadlock.
    """
    if not (await fetch_first(session, _TRY_LOCK_PATIENT, patient_id))["is_locked"]:
        return None
    row = await fetch_first(session, _USAGE, patient_id, npi, now)
    return usage_from_row(row), row["registered_at"]


async def find(session: Statements, hold_id: UUID, patient_id: UUID) -> HoldRow | None:
    """Return the patient's hold; None if the patient has no such hold."""
    return hold_from_row(await fetch_first(session, _HOLD, patient_id, hold_id))


async def find_for_update(session: Session, hold_id: UUID, patient_id: UUID) -> HoldRow | None:
    """Lock and return the patient's hold; None if the patient has no such hold."""
    return hold_from_row(await fetch_first(session, _HOLD + "FOR UPDATE OF r", patient_id, hold_id))


async def list_own(session: Session, patient_id: UUID, now: datetime, limit: int) -> list[Hold]:
    """Return the patient's active holds, ordered by start."""
    rows = await fetch(session, *_OWN_HOLDS.bind(patient_id=patient_id, now=now, limit=limit))
    return [row.hold for row in map(hold_from_row, rows) if row is not None]


async def find_own_overlap(
    session: Statements, owner: Owner, visit: Visit, now: datetime, other_than: UUID = NO_RESERVATION
) -> HoldRow | None:
    """Return the hold or the appointment by which the patient prevents the visit; None if the patient doesn't.

    It is of the same person and overlaps, or is at the same place and start; one at the same start comes first. The
    reservation `other_than` doesn't count.
    """
    statement = _OWN_OVERLAP.bind(
        patient_id=owner.patient_id,
        dependant_id=owner.dependant_id,
        provider_location_id=visit.provider_location_id,
        start=visit.start,
        minutes=visit.minutes,
        now=now,
        other_than=other_than,
    )
    return hold_from_row(await fetch_first(session, *statement))


async def find_own_at(
    session: Statements, patient_id: UUID, provider_location_id: UUID, start: datetime, now: datetime
) -> HoldRow | None:
    """Return the patient's hold or appointment at this place and start; None if there is none."""
    statement = _OWN_HOLD_AT.bind(
        patient_id=patient_id, provider_location_id=provider_location_id, start=start, now=now
    )
    return hold_from_row(await fetch_first(session, *statement))


async def save_extension(session: Session, hold: Hold) -> None:
    """Store the new expiry of a hold that is locked."""
    await fetch_first(session, *_EXTEND.bind(id=hold.id, expires_at=hold.expires_at))


def hold_from_row(row: Any) -> HoldRow | None:
    """Convert a row to the hold; return None without a row or if the row has no hold."""
    if row is None or row["id"] is None:
        return None
    hold = Hold(
        id=row["id"],
        patient_id=row["patient_id"],
        dependant_id=row["dependant_id"],
        visit=visit_from_row(row),
        expires_at=row["expires_at"] or row["start"],
        is_extended=row["is_extended"],
    )
    return HoldRow(hold, row["is_released"], row["kind"] == "appointment", row["offer_id"])


def limit_values(limits: VisitLimits) -> dict[str, Any]:
    """Return the values of the parameters in `IS_BELOW_VISIT_LIMITS`, by name."""
    return {"max_with_provider": limits.with_provider, "max_in_all": limits.in_all}


def usage_from_row(row: Any) -> Usage:
    """Convert a row of `count_reservations`."""
    visits = UpcomingVisits(row["visits_with_provider"], row["visits_in_all"])
    return Usage(row["by_patient"], row["by_address"], row["patient_until"], row["address_until"], visits)


def practice_limits_from_row(row: Any) -> PracticeLimits:
    """Return the practice's own limits from a row of `find_record_or_hold`."""
    return PracticeLimits(row["visits_per_patient"], row["first_day_visits_per_patient"])


@dataclass(frozen=True, slots=True)
class ReservationGuard:
    """The two functions that reserve time; tests replace them to show that double bookings are detected."""

    reserve: Reserve = reserve
    reserve_hold: ReserveHold = reserve_hold
