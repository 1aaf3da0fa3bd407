"""From the contract to a visit."""

from datetime import datetime

from millrace_contracts.entities import Appointment
from millrace_notifications.appointment.model import Visit
from millrace_notifications.wire import moment


def visit(entity: Appointment, version: int) -> Visit:
    """Raises `ContractError` where a time can't be read."""
    return Visit(
        id=entity.id,
        version=version,
        state=entity.state,
        start=moment("start", entity.start),
        provider_location_id=entity.provider_location_id,
        npi=entity.npi,
        patient_id=entity.patient_id,
        minutes=entity.minutes,
        mode=entity.mode,
        practice_id=entity.practice_id,
        time_zone=entity.time_zone,
        moved_from=_optional("moved_from", entity.moved_from),
        cancelled_by=entity.cancelled_by,
        completed_at=_optional("completed_at", entity.completed_at),
    )


def _optional(field: str, text: str | None) -> datetime | None:
    return None if text is None else moment(field, text)
