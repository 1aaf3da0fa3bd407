"""Patient events on the change feed: ids and states only."""

from typing import Literal
from uuid import UUID

from millrace_contracts.entities import Patient
from millrace_contracts.registry import PATIENT
from millrace_platform.unit_of_work import Event

SOURCE = "/services/patients"

State = Literal["active", "erased"]


def patient_event(patient_id: UUID, state: State, version: int) -> Event:
    """Return the event for a version of a patient: 1 when created, 2 when erased.

    Changes of the profile are not published.
    """
    action: Literal["created", "updated"] = "created" if state == "active" else "updated"
    return Event.of_entity(PATIENT, Patient(id=str(patient_id), state=state), action=action, version=version)
