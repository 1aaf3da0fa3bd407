"""Conversion of appointments to events."""

from datetime import datetime
from typing import Literal

from millrace_contracts.entities import Appointment as Wire
from millrace_contracts.registry import APPOINTMENT
from millrace_feeds.clock import rfc3339
from millrace_platform.unit_of_work import Event
from millrace_scheduling.appointment.model import Appointment
from millrace_scheduling.reservation.model import ERASED_PATIENT_ID
from millrace_scheduling.zones import get_zone


def appointment_event(appointment: Appointment) -> Event:
    """Return the event that announces the appointment's current version."""
    action: Literal["created", "updated"] = "created" if appointment.version == 1 else "updated"
    return Event.of_entity(APPOINTMENT, _entity(appointment), action=action, version=appointment.version)


def _entity(appointment: Appointment) -> Wire:
    visit, cancellation = appointment.visit, appointment.cancellation
    completed = appointment.completed_at
    return Wire(
        id=str(appointment.id),
        provider_location_id=str(visit.provider_location_id),
        npi=visit.npi,
        patient_id=str(appointment.patient_id or ERASED_PATIENT_ID),
        start=_local(visit.start, visit.time_zone),
        minutes=visit.minutes,
        state=appointment.state.value,
        visit_reason=visit.visit_reason,
        practice_id=None if visit.practice_id is None else str(visit.practice_id),
        time_zone=visit.time_zone,
        mode=visit.mode,
        patient=visit.patient_kind,
        moved_from=None if appointment.moved_from is None else _local(appointment.moved_from, visit.time_zone),
        cancelled_by=None if cancellation is None else cancellation.by.value,
        cancellation_reason=None if cancellation is None else cancellation.reason,
        dependant_id=None if appointment.dependant_id is None else str(appointment.dependant_id),
        insurance_card_id=None if appointment.insurance_card_id is None else str(appointment.insurance_card_id),
        completed_at=None if completed is None else rfc3339(completed.timestamp()),
    )


def _local(moment: datetime, time_zone: str) -> str:
    return moment.astimezone(get_zone(time_zone)).isoformat()
