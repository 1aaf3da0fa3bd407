"""Rescheduling: one transaction reserves the new time and releases the old one."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from millrace_platform.authentication import Principal
from millrace_platform.errors import Conflict, Unprocessable
from millrace_platform.idempotency import IdempotencyKey, StoredResponse
from millrace_platform.ids import Ids
from millrace_platform.preconditions import Tags
from millrace_platform.unit_of_work import UnitOfWork
from millrace_scheduling.appointment.model import Appointment, Party
from millrace_scheduling.appointment.repository import AppointmentRow
from millrace_scheduling.appointment.service import AppointmentService
from millrace_scheduling.hold import repository as holds
from millrace_scheduling.hold.service import require_active, resolve_request, slot_taken_with_alternatives
from millrace_scheduling.hold.visit_request import VisitRequest
from millrace_scheduling.problems import not_found
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
        self, caller: Principal, key: IdempotencyKey, appointment_id: UUID, match: Tags | None, start: datetime
    ) -> StoredResponse:
        """Move to a free start at the same provider-location; a move to the appointment's own start changes nothing.

        Problems: 404, 409 with alternative times, 412, and those of the idempotency key.
        """

        async def change(work: UnitOfWork, row: AppointmentRow, party: Party) -> Appointment:
            row.appointment.require_movable(party, work.now, row.notice)
            if start == row.appointment.visit.start:
                return row.appointment
            visit, reservation_id = await self._reserve(work, row.appointment, start)
            return row.appointment.move(visit, reservation_id, work.now)

        return await self.appointments.change(caller, key, appointment_id, match, change)

    async def move_to_hold(
        self, caller: Principal, key: IdempotencyKey, appointment_id: UUID, match: Tags | None, hold_id: UUID
    ) -> StoredResponse:
        """Move to the time of the caller's hold at the same provider-location.

        Problems: 404, 409, 412, and those of the idempotency key.
        """

        async def change(work: UnitOfWork, row: AppointmentRow, party: Party) -> Appointment:
            appointment = row.appointment
            appointment.require_movable(party, work.now, row.notice)
            hold_row = await holds.find_for_update(work.session, hold_id, caller.subject)
            hold = require_active(hold_row, hold_id, work.now)
            if hold.patient_id != appointment.patient_id:
                raise not_found("hold", hold_id)
            if hold.visit.provider_location_id != appointment.visit.provider_location_id:
                raise Conflict(
                    "The hold is at another provider-location. Cancel the appointment and book the hold instead."
                )
            await reservations.mark_booked(work.session, hold_id)
            await reservations.release(work.session, appointment.reservation_id)
            return appointment.move(hold.visit, hold_id, work.now)

        return await self.appointments.change(caller, key, appointment_id, match, change)

    async def _reserve(self, work: UnitOfWork, appointment: Appointment, start: datetime) -> tuple[Visit, UUID]:
        """Reserve the new time, which may overlap the old one, and release the old one.

        Returns the new visit and the id of its reservation. Problems: 404, 409 with alternatives if any.
        """
        before = appointment.visit
        request = VisitRequest(
            before.provider_location_id, start, before.visit_reason, before.patient_kind, before.mode
        )
        context = await holds.find_context(work.session, before.provider_location_id, start)
        try:
            visit, occupied = await resolve_request(work.session, request, context, work.now)
        except Unprocessable:
            # The calendar was changed since the booking; its fields aren't those of this request.
            raise Conflict(
                "The provider-location has no such visits any more. Cancel the appointment and book another visit."
            ) from None
        if appointment.patient_id is None:
            raise not_found("appointment", appointment.id)
        owner = Owner(appointment.patient_id, appointment.dependant_id)
        reservation = Reservation(self.ids(), owner, visit, occupied)
        if await self.reserve(work.session, reservation, work.now):
            await reservations.release(work.session, appointment.reservation_id)
            return visit, reservation.id
        # Two appointments that move into each other's time would deadlock if both released theirs first.
        if not await reservations.is_occupied_by_others(work.session, visit.npi, occupied, appointment.reservation_id):
            await reservations.release(work.session, appointment.reservation_id)
            if await self.reserve(work.session, reservation, work.now):
                return visit, reservation.id
        raise await slot_taken_with_alternatives(work.session, request, visit.time_zone, work.now)
