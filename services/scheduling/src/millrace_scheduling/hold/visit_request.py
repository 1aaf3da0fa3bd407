"""Resolves a requested visit to the visit type and the time to reserve for it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from millrace_contracts.entities import Mode, PatientKind
from millrace_scheduling.availability.explanation import Reason, explain_start
from millrace_scheduling.availability.model import (
    MODES,
    PATIENTS,
    VisitCriteria,
    find_visit_type,
    matching_visit_types,
)
from millrace_scheduling.calendar.model import Calendar, VisitType
from millrace_scheduling.calendar.slots import Segment
from millrace_scheduling.provider_location.model import ProviderLocation
from millrace_scheduling.reservation.model import TimeRange, Visit
from millrace_scheduling.zones import to_minute


@dataclass(frozen=True, slots=True)
class VisitRequest:
    """A visit that a patient wants to book. `start` has an offset; without a reason the calendar chooses the type."""

    provider_location_id: UUID
    start: datetime
    visit_reason: str | None
    patient: PatientKind
    mode: Mode

    @property
    def criteria(self) -> VisitCriteria:
        return VisitCriteria(self.visit_reason, self.patient, self.mode)


class NoVisitTypeError(Exception):
    """The calendar has no visit type for the request, at any time.

    `possible` has, for each criterion that prevents it alone, the values with which there would be one. It is empty if
    no change of a single criterion suffices.
    """

    def __init__(self, possible: Mapping[str, Sequence[str]]) -> None:
        super().__init__("no visit type")
        self.possible = possible


class NotOfferedError(Exception):
    """The calendar doesn't offer the requested time; the message, written for users, says why."""


def resolve_visit(
    request: VisitRequest,
    provider_location: ProviderLocation,
    calendar: Calendar,
    segments: Sequence[Segment],
    now: datetime,
) -> tuple[Visit, TimeRange]:
    """Return the visit and the time that it occupies with its buffers.

    Ignores reservations, which are checked when the time is reserved. Raises `NoVisitTypeError`, `NotOfferedError`.
    """
    minute, moment = to_minute(request.start), now.timestamp()
    visit_type = find_visit_type(calendar, segments, minute, request.criteria, moment)
    if visit_type is None:
        if not matching_visit_types(calendar, request.criteria):
            raise NoVisitTypeError(find_possible_values(calendar, request.criteria))
        _, why = explain_start(calendar, minute, request.criteria, (), moment)
        raise NotOfferedError(" ".join(each.detail for each in why))
    if request.start.second or request.start.microsecond:
        raise NotOfferedError(Reason.OFF_GRID.detail)
    visit = Visit(
        provider_location_id=provider_location.id,
        npi=provider_location.npi,
        practice_id=provider_location.practice_id,
        time_zone=calendar.time_zone,
        start=request.start,
        minutes=visit_type.minutes,
        visit_type=visit_type.id,
        visit_reason=request.visit_reason,
        mode=request.mode,
        patient_kind=request.patient,
    )
    return visit, occupied_range(visit_type, request.start)


def find_possible_values(calendar: Calendar, criteria: VisitCriteria) -> dict[str, tuple[str, ...]]:
    """Return, for each criterion whose change alone leads to a visit type of the calendar, the values that do."""
    reasons = sorted({reason for each in calendar.visit_types for reason in each.visit_reasons})
    candidates: Mapping[str, Mapping[str, VisitCriteria]] = {
        "mode": {each: criteria._replace(mode=each) for each in MODES},
        "patient": {each: criteria._replace(patient=each) for each in PATIENTS},
        "visit_reason": {each: criteria._replace(visit_reason=each) for each in reasons},
    }
    found = {
        name: tuple(value for value, changed in values.items() if matching_visit_types(calendar, changed))
        for name, values in candidates.items()
    }
    return {name: values for name, values in found.items() if values}


def occupied_range(visit_type: VisitType, start: datetime) -> TimeRange:
    """Return the time that a visit occupies: from its buffer before until its buffer after."""
    return TimeRange(
        start - timedelta(minutes=visit_type.buffer_before),
        start + timedelta(minutes=visit_type.minutes + visit_type.buffer_after),
    )
