"""Patients as the feed carries them: ids and states only."""

from typing import Literal
from uuid import UUID

from millrace_contracts.entities import Patient
from millrace_contracts.registry import PATIENT
from millrace_platform.unit_of_work import Event

SOURCE = "/services/patients"

State = Literal["active", "erased"]


def patient_event(patient_id: UUID, state: State, version: int) -> Event:
    """The patient's step to a version: made at 1, erased at 2. Changes of personal data are nobody else's business."""
    action: Literal["created", "updated"] = "created" if state == "active" else "updated"
    return Event.written(PATIENT, Patient(id=str(patient_id), state=state), action=action, version=version)
