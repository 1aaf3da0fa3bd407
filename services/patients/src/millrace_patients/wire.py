"""Patient events on the change feed: ids and states only."""

from typing import Literal

from millrace_contracts.entities import Patient
from millrace_contracts.registry import PATIENT
from millrace_patients.patient.model import PublicPatient
from millrace_platform.unit_of_work import Event

SOURCE = "/services/patients"


def patient_event(patient: PublicPatient) -> Event:
    """Return the event for a version of a patient."""
    action: Literal["created", "updated"] = "created" if patient.version == 1 else "updated"
    entity = Patient(
        id=str(patient.id),
        state=patient.state,
        may_book=patient.may_book,
        dependant_ids=tuple(map(str, patient.dependant_ids)),
        insurance_card_ids=tuple(map(str, patient.insurance_card_ids)),
    )
    return Event.of_entity(PATIENT, entity, action=action, version=patient.version)
