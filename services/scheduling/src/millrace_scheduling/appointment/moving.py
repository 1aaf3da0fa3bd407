"""Moving an appointment: the old time is free exactly when the new one is taken, as both are one commit."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from millrace_platform.authentication import Principal
from millrace_platform.errors import Conflict
from millrace_platform.idempotency import Answer, IdempotencyKey
from millrace_platform.ids import Ids
from millrace_platform.preconditions import Tags
from millrace_scheduling.appointment.model import Appointment, Party
from millrace_scheduling.appointment.repository import Stored
from millrace_scheduling.appointment.service import AppointmentService
from millrace_scheduling.booking.problems import nothing_there
from millrace_scheduling.claim import repository as claims
from millrace_scheduling.claim.model import Owner, Visit
from millrace_scheduling.claim.repository import Claim, Take
from millrace_scheduling.hold import repository as holds
from millrace_scheduling.hold.asking import Asked
from millrace_scheduling.hold.service import Judge, require_running
from millrace_scheduling.unit_of_work import Work


@dataclass(frozen=True, slots=True)
class Moving:
    """For patients until the practice's deadline, for its staff while the appointment stands."""

    appointments: AppointmentService
    ids: Ids
    take: Take
    judge: Judge

    async def to_start(
        self, caller: Principal, key: IdempotencyKey, appointment_id: UUID, match: Tags | None, start: datetime
    ) -> Answer:
        """To a free time at the same place. Problems: 404, 409 with alternatives, 412, and those of the key."""

        async def change(work: Work, stored: Stored, party: Party) -> Appointment:
            appointment = stored.appointment
            appointment.may_move(party, work.now, stored.notice)
            visit, claim_id = await self._take(work, appointment, start)
            return appointment.moved(visit, claim_id, work.now)

        return await self.appointments.change(caller, key, appointment_id, match, change)

    async def to_hold(
        self, caller: Principal, key: IdempotencyKey, appointment_id: UUID, match: Tags | None, hold_id: UUID
    ) -> Answer:
        """To a time that the caller holds at the same place. Problems: 404, 409, 412, and those of the key."""

        async def change(work: Work, stored: Stored, party: Party) -> Appointment:
            appointment = stored.appointment
            appointment.may_move(party, work.now, stored.notice)
            kept = await holds.find(work.session, hold_id, caller.subject, lock=True)
            hold = require_running(kept, hold_id, work.now)
            if hold.patient_id != appointment.patient_id:
                raise nothing_there("hold", hold_id)
            if hold.visit.place_id != appointment.visit.place_id:
                raise Conflict("The hold is at another place. Cancel the appointment and book the hold.")
            await claims.keep(work.session, hold_id)
            await claims.release(work.session, appointment.claim_id)
            return appointment.moved(hold.visit, hold_id, work.now)

        return await self.appointments.change(caller, key, appointment_id, match, change)

    async def _take(self, work: Work, appointment: Appointment, start: datetime) -> tuple[Visit, UUID]:
        """Take the new time and give the old one up. The new one may overlap the old one, and nothing else."""
        before = appointment.visit
        asked = Asked(
            before.place_id,
            start,
            before.visit_reason,
            before.patient_kind,
            before.mode,
        )
        shop = await holds.shop(work.session, before.place_id, start)
        visit, occupied = await self.judge.visit(work.session, asked, shop, work.now)
        if appointment.patient_id is None:
            raise nothing_there("appointment", appointment.id)
        owner = Owner(appointment.patient_id, appointment.dependant_id)
        claim = Claim(self.ids(), owner, visit, occupied)
        if await self.take(work.session, claim, work.now):
            await claims.release(work.session, appointment.claim_id)
            return visit, claim.id
        # Two that move into each other's time would wait in a circle, if both gave up theirs first.
        if not await claims.is_taken_by_others(work.session, visit.npi, occupied, appointment.claim_id):
            await claims.release(work.session, appointment.claim_id)
            if await self.take(work.session, claim, work.now):
                return visit, claim.id
        raise await self.judge.taken(work.session, asked, visit.time_zone, work.now)
