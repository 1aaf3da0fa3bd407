"""Creating, extending and releasing holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from millrace_platform.authentication import Principal
from millrace_platform.database import Connection
from millrace_platform.errors import Conflict
from millrace_platform.idempotency import (
    IdempotencyKey,
    StoredResponse,
    execute_once,
    execute_statement_once,
    record_values,
)
from millrace_platform.ids import Ids
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.availability.model import find_bookable_visit_type
from millrace_scheduling.availability.repository import booking_context_from
from millrace_scheduling.availability.service import explain
from millrace_scheduling.calendar.model import Calendar
from millrace_scheduling.hold import repository
from millrace_scheduling.hold.model import (
    HOLD_LIFETIME,
    HOLDS_PER_PATIENT,
    AlreadyExtendedError,
    Hold,
    TooManyHoldsError,
    Usage,
)
from millrace_scheduling.hold.refusal import overlaps_own_visit, too_many_holds, too_many_visits, visit_refusal
from millrace_scheduling.hold.repository import HoldAttempt, HoldRow, ReserveHold
from millrace_scheduling.hold.schemas import HoldResource
from millrace_scheduling.hold.visit_request import VisitRequest
from millrace_scheduling.patient.model import BookingPermissions, BookingRequirements
from millrace_scheduling.patient.service import NotInCopyError, PermissionService
from millrace_scheduling.problems import hold_expired, hold_used, not_found
from millrace_scheduling.reservation import repository as reservations
from millrace_scheduling.reservation.model import Owner, Reservation
from millrace_scheduling.visit_limits import PracticeLimits, TooManyVisitsError, VisitLimits, VisitPolicy

ATTEMPTS = 2
"""How often a hold is tried: once more if the time is reserved meanwhile and another visit type still fits."""


class WaitlistOffers(Protocol):
    """Protocol for the waitlist: called when the hold of an offer is booked or released."""

    async def accept_offer(self, work: UnitOfWork, offer_id: UUID) -> None:
        """Close the offer and its entry: the offered hold was booked."""
        ...

    async def decline_offer(self, work: UnitOfWork, offer_id: UUID) -> None:
        """Close the offer and return its entry to the waitlist: the offered hold was released."""
        ...


@dataclass(frozen=True, slots=True)
class HoldService:
    """Creates, extends and releases holds. Patients have access to their own holds only."""

    units: UnitsOfWork
    ids: Ids
    reserve_hold: ReserveHold
    offers: WaitlistOffers
    permissions: PermissionService
    policy: VisitPolicy

    async def create(
        self,
        caller: Principal,
        key: IdempotencyKey,
        request: VisitRequest,
        dependant_id: UUID | None,
        address_hash: bytes,
    ) -> StoredResponse:
        """Reserve the time for `HOLD_LIFETIME`, or return the caller's own hold of the same visit.

        Problems: 404, 409 with alternative times or if the person has another visit then, 422, 429, 503, and those of
        the idempotency key.
        """
        owner = Owner(caller.subject, dependant_id, address_hash)
        return await self.permissions.run_permitted(partial(self._create_once, owner, key, request))

    async def _create_once(
        self, owner: Owner, key: IdempotencyKey, request: VisitRequest, *, confirmed: BookingPermissions | None
    ) -> StoredResponse:
        """Reserve if the dependant is the owner's, by the copy or by `confirmed`; else raise `NotInCopyError`."""
        now = self.units.now()
        async with self.units.database.connection() as connection:

            async def look_up() -> Any:
                return await repository.find_record_or_context(
                    connection, owner, key, request.provider_location_id, request.start, now=now
                )

            async def reserve(row: Any) -> StoredResponse:
                context = booking_context_from(row)
                if context is None:
                    raise not_found("provider-location")
                if not (confirmed or row["owns_dependant"]):
                    raise NotInCopyError(BookingRequirements(owner.patient_id, dependant_id=owner.dependant_id))
                timetable, occupied = context
                # An account that isn't in the copy yet has the usual limits here: its booking looks up when it began.
                registered_at = confirmed.registered_at if confirmed else row["registered_at"]
                limits = self.policy.limits_for(practice_limits(timetable.calendar), registered_at, now)
                visit_type = find_bookable_visit_type(
                    timetable, occupied, request.criteria, request.start, now.timestamp()
                )
                for _ in range(ATTEMPTS):
                    if visit_type is not None:
                        visit, visit_time = request.to_visit(timetable, visit_type)
                        hold = Hold(self.ids(), owner.patient_id, owner.dependant_id, visit, now + HOLD_LIFETIME)
                        reservation = Reservation(hold.id, owner, visit, visit_time, hold.expires_at)
                        response = _response(201, hold)
                        idempotency_record = record_values(owner.patient_id, key, now, response)
                        attempt = await self._reserve(connection, reservation, limits, idempotency_record, now)
                        if attempt.is_reserved:
                            return response
                        own = await repository.find_own_overlap(connection, owner, visit, now)
                        if own is not None:
                            return _response(200, _require_same(own, owner, request))
                        _require_capacity(attempt.usage, limits, now)
                    visit_type, reasons = await explain(connection, timetable, request.start, request.criteria, now=now)
                    if reasons:
                        break
                own = await repository.find_own_at(
                    connection, owner.patient_id, request.provider_location_id, request.start, now
                )
                if own is not None:
                    return _response(200, _require_same(own, owner, request))
                raise await visit_refusal(connection, request, timetable, reasons, now)

            return await execute_statement_once(key, look_up, reserve)

    async def _reserve(
        self,
        connection: Connection,
        reservation: Reservation,
        limits: VisitLimits,
        idempotency_record: Sequence[object],
        now: datetime,
    ) -> HoldAttempt:
        """Reserve the time if it is free and the limits allow it. Overlapping expired holds are released first."""
        attempt = await self.reserve_hold(connection, reservation, limits, idempotency_record, now)
        if not attempt.is_reserved and await reservations.expire_overlapping_holds(connection, reservation, now):
            attempt = await self.reserve_hold(connection, reservation, limits, idempotency_record, now)
        return attempt

    async def list_own(self, caller: Principal) -> list[Hold]:
        """Return the caller's active holds, ordered by start."""
        async with self.units.begin() as work:
            return await repository.list_own(work.session, caller.subject, work.now, HOLDS_PER_PATIENT)

    async def get(self, caller: Principal, hold_id: UUID) -> Hold:
        """Return an active hold. Problems: 404, also for a hold that was released, expired or booked."""
        async with self.units.begin() as work:
            row = await repository.find(work.session, hold_id, caller.subject)
        if row is None or not row.is_active(work.now):
            raise not_found("hold")
        return row.hold

    async def extend(self, caller: Principal, key: IdempotencyKey, hold_id: UUID) -> StoredResponse:
        """Extend the hold, which is possible once. Problems: 404, 409, and those of the idempotency key."""

        async def effect(work: UnitOfWork) -> StoredResponse:
            row = await repository.find_for_update(work.session, hold_id, caller.subject)
            hold = require_active(row, hold_id, work.now)
            try:
                extended = hold.extend(work.now)
            except AlreadyExtendedError:
                raise Conflict(
                    "The hold was extended already. Book the time, or hold it again after the hold expires."
                ) from None
            await repository.save_extension(work.session, extended)
            return _response(200, extended)

        return await execute_once(self.units.begin, caller.subject, key, self.units.now(), effect)

    async def release(self, caller: Principal, hold_id: UUID) -> None:
        """Release the hold; do nothing if it was released or expired before. Problems: 404, 409 if it is booked."""
        async with self.units.begin() as work:
            row = await repository.find_for_update(work.session, hold_id, caller.subject)
            if row is None:
                raise not_found("hold")
            if row.is_booked:
                raise hold_used(hold_id)
            if await reservations.release(work.session, hold_id) and row.offer_id is not None:
                await self.offers.decline_offer(work, row.offer_id)


def _require_same(own: HoldRow, owner: Owner, request: VisitRequest) -> Hold:
    """Return the patient's own hold if it is of the requested visit. Problems: 409."""
    if own.is_booked or own.hold.dependant_id != owner.dependant_id or not request.is_for(own.hold.visit):
        raise overlaps_own_visit(own)
    return own.hold


def require_active(row: HoldRow | None, hold_id: UUID, now: datetime) -> Hold:
    """Return the hold if it can be booked or extended. Problems: 404, 409."""
    if row is None:
        raise not_found("hold")
    if row.is_booked:
        raise hold_used(hold_id)
    if not row.is_active(now):
        raise hold_expired()
    return row.hold


def practice_limits(calendar: Calendar | None) -> PracticeLimits:
    """Return the limits that the calendar's practice sets."""
    if calendar is None:
        return PracticeLimits()
    return PracticeLimits(calendar.visits_per_patient, calendar.first_day_visits_per_patient)


def _require_capacity(usage: Usage, limits: VisitLimits, now: datetime) -> None:
    try:
        usage.require_capacity(limits, now)
    except TooManyHoldsError as error:
        raise too_many_holds(error, now) from None
    except TooManyVisitsError as error:
        raise too_many_visits(error, now) from None


def _response(status: int, hold: Hold) -> StoredResponse:
    body = HoldResource.of(hold).model_dump_json().encode()
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return StoredResponse(status, body, {**headers, "Location": f"/v1/holds/{hold.id}"} if status == 201 else headers)
