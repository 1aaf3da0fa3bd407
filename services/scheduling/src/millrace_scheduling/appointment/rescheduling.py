"""Rescheduling: one transaction reserves the new time and releases the old one."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from millrace_platform.audit.caller import Caller
from millrace_platform.audit.unit_of_work import UnitOfWork
from millrace_platform.errors import Conflict
from millrace_platform.idempotency import IdempotencyKey, StoredResponse
from millrace_platform.ids import Ids
from millrace_platform.preconditions import Tags
from millrace_scheduling.appointment.model import Appointment, Party
from millrace_scheduling.appointment.repository import AppointmentRow
from millrace_scheduling.appointment.service import AppointmentService
from millrace_scheduling.availability.model import Timetable, find_bookable_visit_type
from millrace_scheduling.availability.repository import find_booking_context
from millrace_scheduling.availability.service import explain
from millrace_scheduling.availability.visit_types import matching_visit_types
from millrace_scheduling.hold import repository as holds
from millrace_scheduling.hold.refusal import overlaps_own_visit, visit_refusal
from millrace_scheduling.hold.service import require_active
from millrace_scheduling.hold.visit_request import VisitRequest
from millrace_scheduling.problems import not_found, person_busy
from millrace_scheduling.reservation import repository as reservations
from millrace_scheduling.reservation.model import Owner, Reservation, Visit
from millrace_scheduling.reservation.repository import Reserve


@dataclass(frozen=True, slots=True)
class ReschedulingService:
    """Moves appointments. Patients can move until the practice's deadline, its staff at any time."""

    appointments: AppointmentService
    ids: Ids
    reserve: Reserve

    async def move_to_start(
        self, caller: Caller, key: IdempotencyKey, appointment_id: UUID, match: Tags | None, start: datetime
    ) -> StoredResponse:
        """Move to a free start at the same provider-location; a move to the appointment's own start changes nothing.

        Problems: 404, 409 with alternative times, 412, and those of the idempotency key.
        """

        async def change(work: UnitOfWork, row: AppointmentRow, party: Party) -> Appointment:
            row.appointment.require_movable(party, work.now, row.notice)
            if start == row.appointment.visit.start:
                return row.appointment
            visit, reservation_id = await self._reserve(work, row.appointment, start, party)
            return row.appointment.move(visit, reservation_id, work.now)

        return await self.appointments.change(caller, key, appointment_id, match, change)

    async def move_to_hold(
        self, caller: Caller, key: IdempotencyKey, appointment_id: UUID, match: Tags | None, hold_id: UUID
    ) -> StoredResponse:
        """Move to the time of the caller's hold at the same provider-location.

        Problems: 404, 409, 412, and those of the idempotency key.
        """

        async def change(work: UnitOfWork, row: AppointmentRow, party: Party) -> Appointment:
            appointment = row.appointment
            appointment.require_movable(party, work.now, row.notice)
            hold_row = await holds.find_for_update(work.session, hold_id, caller.principal.subject)
            hold = require_active(hold_row, hold_id, work.now)
            if hold.patient_id != appointment.patient_id:
                raise not_found("hold")
            if hold.visit.provider_location_id != appointment.visit.provider_location_id:
                raise Conflict(
                    "The hold is at another provider-location. Cancel the appointment and book the hold instead."
                )
            await reservations.mark_booked(work.session, hold_id)
            await reservations.release(work.session, appointment.reservation_id)
            return appointment.move(hold.visit, hold_id, work.now)

        return await self.appointments.change(caller, key, appointment_id, match, change)

    async def _reserve(
        self, work: UnitOfWork, appointment: Appointment, start: datetime, party: Party
    ) -> tuple[Visit, UUID]:
        """Reserve the new time, which may overlap the old one, and release the old one.

        Returns the new visit and the id of its reservation. Problems: 404, 409 with alternatives if any.
        """
        own_id, now = appointment.reservation_id, work.now
        context = await find_booking_context(work.session, appointment.visit.provider_location_id, start, now, own_id)
        if context is None:
            raise not_found("provider-location")
        if appointment.patient_id is None:
            raise not_found("appointment")
        timetable, occupied = context
        request = _request_move(appointment.visit, timetable, start)
        visit_type = find_bookable_visit_type(timetable, occupied, request.criteria, start, now.timestamp())
        if visit_type is not None:
            visit, visit_time = request.to_visit(timetable, visit_type)
            owner = Owner(appointment.patient_id, appointment.dependant_id)
            reservation = Reservation(self.ids(), owner, visit, visit_time)
            if await self.reserve(work.session, reservation, now):
                await reservations.release(work.session, own_id)
                return visit, reservation.id
            # Two appointments that move into each other's time would deadlock if both released theirs first.
            if not await reservations.is_occupied_by_others(work.session, reservation, own_id, now):
                await reservations.release(work.session, own_id)
                if await self.reserve(work.session, reservation, now):
                    return visit, reservation.id
            own = await holds.find_own_overlap(work.session, owner, visit, now, own_id)
            if own is not None:
                raise overlaps_own_visit(own) if party is Party.PATIENT else person_busy()
        if not _has_visit_type(timetable, request):
            # The calendar was changed since the booking; its fields aren't those of this request.
            raise Conflict(
                "The provider-location has no such visits any more. Cancel the appointment and book another visit."
            )
        _, reasons = await explain(work.session, timetable, start, request.criteria, now=now, own_id=own_id)
        raise await visit_refusal(work.session, request, timetable, reasons, now)


def _request_move(visit: Visit, timetable: Timetable, start: datetime) -> VisitRequest:
    """Return a request for the same visit at another start: of the same type, if the calendar still has it."""
    request = VisitRequest(
        visit.provider_location_id, start, visit.visit_reason, visit.patient_kind, visit.mode, visit.visit_type
    )
    return request if _has_visit_type(timetable, request) else replace(request, visit_type=None)


def _has_visit_type(timetable: Timetable, request: VisitRequest) -> bool:
    calendar = timetable.calendar
    return calendar is None or bool(matching_visit_types(calendar.visit_types, request.criteria))
