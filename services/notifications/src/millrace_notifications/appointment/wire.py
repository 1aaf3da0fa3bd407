"""Conversion of appointments from the contract."""

from datetime import datetime

from millrace_contracts import entities
from millrace_notifications.appointment.model import Appointment
from millrace_notifications.wire import parse_time


def to_appointment(entity: entities.Appointment, version: int) -> Appointment:
    """Convert an appointment from the contract. Raises `ContractError` for an invalid time."""
    return Appointment(
        id=entity.id,
        version=version,
        state=entity.state,
        start=parse_time("start", entity.start),
        provider_location_id=entity.provider_location_id,
        npi=entity.npi,
        patient_id=entity.patient_id,
        minutes=entity.minutes,
        mode=entity.mode,
        practice_id=entity.practice_id,
        time_zone=entity.time_zone,
        moved_from=_parse_optional("moved_from", entity.moved_from),
        cancelled_by=entity.cancelled_by,
        completed_at=_parse_optional("completed_at", entity.completed_at),
    )


def _parse_optional(field: str, text: str | None) -> datetime | None:
    return None if text is None else parse_time(field, text)
