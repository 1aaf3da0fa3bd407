"""Forgetting whose the bookings of a patient were, once the patient's data was erased."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from millrace_contracts.entities import Patient
from millrace_contracts.envelope import ContractError, decode
from millrace_contracts.registry import PATIENT, entity_of
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.handler import Handler
from millrace_feeds.transport import Record
from millrace_platform import idempotency
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.appointment import repository as appointments
from millrace_scheduling.appointment.model import OCCUPYING
from millrace_scheduling.appointment.wire import event_of
from millrace_scheduling.ics import repository as feeds
from millrace_scheduling.reservation import repository as claims
from millrace_scheduling.waitlist.service import WaitlistService

KEY_PREFIX = f"{PATIENT.name}/"


@dataclass(frozen=True, slots=True)
class Handlers:
    """Several handlers as one: each passes over what isn't its own."""

    handlers: Sequence[Handler]

    async def handle(self, records: Sequence[Record]) -> None:
        for handler in self.handlers:
            await handler.handle(records)


@dataclass(frozen=True, slots=True)
class PatientErasureHandler:
    """A consumer's handler: takes patients from `entities`. Idempotent: who is forgotten has nothing left."""

    units: UnitsOfWork
    waitlist: WaitlistService

    async def handle(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.key.startswith(KEY_PREFIX) and (patient_id := _erased(record)) is not None:
                async with self.units.begin() as work:
                    await self.forget(work, patient_id)

    async def forget(self, work: UnitOfWork, patient_id: UUID) -> None:
        """What hasn't taken place is cancelled, what has stays as nobody's; the rest is removed."""
        await self.waitlist.forget(work, patient_id)
        ended = []
        while found := await appointments.all_of_patient(work.session, patient_id):
            for appointment in found:
                after = appointment.forgotten(work.now)
                if after.state not in OCCUPYING:
                    ended.append(after.claim_id)
                await appointments.save(work.session, after)
                work.record(event_of(after))
        await claims.forget_patient(work.session, patient_id, ended)
        await feeds.forget_patient(work.session, patient_id)
        await idempotency.forget(work.session, patient_id)


def _erased(record: Record) -> UUID | None:
    """The patient whose data was erased; None where the patient is there. Raises `InvalidRecord`."""
    try:
        entity = entity_of(decode(record.body))
        if isinstance(entity, Patient) and entity.state == "erased":
            return UUID(entity.id)
    except (ContractError, ValueError) as error:
        raise InvalidRecord(record, str(error)) from error
    return None
