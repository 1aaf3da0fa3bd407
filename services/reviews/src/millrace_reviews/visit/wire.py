"""Appointments of the feed as visits."""

from datetime import UTC, datetime

from millrace_contracts.entities import Appointment
from millrace_contracts.envelope import ContractError, Envelope
from millrace_reviews.visit.model import Visit


def visit_of(appointment: Appointment, envelope: Envelope) -> Visit:
    """Raises `ContractError` for a time that can't be read.

    An appointment without `completed_at` counts as completed when its event says so.
    """
    completed_at = None
    if appointment.state == "completed":
        completed_at = _moment("completed_at", appointment.completed_at or envelope.time).astimezone(UTC)
    return Visit(
        id=appointment.id,
        version=envelope.entityversion,
        patient_id=appointment.patient_id,
        npi=appointment.npi,
        provider_location_id=appointment.provider_location_id,
        practice_id=appointment.practice_id,
        # Its offset is the place's: no other month is meant.
        month=f"{_moment('start', appointment.start):%Y-%m}",
        completed_at=completed_at,
    )


def _moment(field: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ContractError(f"appointment: not an RFC 3339 time - at `$.{field}`") from error
    if moment.tzinfo is None:
        raise ContractError(f"appointment: a time without its offset - at `$.{field}`")
    return moment
