"""Converts appointments from the feed to visits."""

from datetime import UTC, datetime

from millrace_contracts.entities import Appointment
from millrace_contracts.envelope import ContractError, Envelope
from millrace_reviews.visit.model import Visit


def parse_visit(appointment: Appointment, envelope: Envelope) -> Visit:
    """Convert an appointment to a visit; raise `ContractError` for an invalid time.

    A completed appointment without `completed_at` was completed at the time of its event.
    """
    start, completed_at = _parse_time("start", appointment.start), None
    if appointment.state == "completed":
        completed_at = _parse_time("completed_at", appointment.completed_at or envelope.time).astimezone(UTC)
    return Visit(
        id=appointment.id,
        version=envelope.entityversion,
        patient_id=appointment.patient_id,
        npi=appointment.npi,
        provider_location_id=appointment.provider_location_id,
        practice_id=appointment.practice_id,
        start=start.astimezone(UTC),
        # The offset is local to the practice, and so is the month.
        month=f"{start:%Y-%m}",
        completed_at=completed_at,
    )


def _parse_time(field: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ContractError(f"appointment: not an RFC 3339 time - at `$.{field}`") from error
    if moment.tzinfo is None:
        raise ContractError(f"appointment: a time without its offset - at `$.{field}`")
    return moment
