"""Publishes the versions of patients on the change feed."""

from uuid import UUID

from millrace_patients.patient import repository
from millrace_patients.wire import patient_event
from millrace_platform.audit.unit_of_work import UnitOfWork


async def publish_current_version(work: UnitOfWork, patient_id: UUID) -> None:
    """Publish the patient as stored by the transaction."""
    patient = await repository.find(work.session, patient_id)
    if patient is None:
        raise RuntimeError("the patient isn't stored")
    work.record(patient_event(patient))


async def publish_next_version(work: UnitOfWork, patient_id: UUID) -> None:
    """Give the patient its next version and publish it. The caller must have locked the person's row."""
    await repository.advance_version(work.session, patient_id)
    await publish_current_version(work, patient_id)
