"""From a requested visit to the visit type and the time that has to be reserved for it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from millrace_contracts.entities import Mode, PatientKind
from millrace_scheduling.availability.explanation import DETAILS, Reason, reasons
from millrace_scheduling.availability.model import Wanted, offered, visit_at
from millrace_scheduling.calendar.model import Calendar, VisitType
from millrace_scheduling.place.model import Place
from millrace_scheduling.reservation.model import TimeRange, Visit
from millrace_scheduling.slot.model import Segment
from millrace_scheduling.slot.zones import minute_of


@dataclass(frozen=True, slots=True)
class VisitRequest:
    """A visit that a patient wants to book. `start` is aware; without `visit_reason` the calendar chooses the type."""

    place_id: UUID
    start: datetime
    visit_reason: str | None
    patient: PatientKind
    mode: Mode

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.visit_reason, self.patient, self.mode)


class NoVisitTypeError(Exception):
    """The calendar has no visit type for the request, at any time."""


class NotOfferedError(Exception):
    """The calendar doesn't offer the requested time; the text says why, for the caller."""


def resolve_visit(
    request: VisitRequest, place: Place, calendar: Calendar, segments: Sequence[Segment], now: datetime
) -> tuple[Visit, TimeRange]:
    """Return the visit and the time that it occupies with its buffers.

    Ignores what is booked: reserving the time decides that. Raises `NoVisitTypeError`, `NotOfferedError`.
    """
    minute, moment = minute_of(request.start), now.timestamp()
    visit_type = visit_at(calendar, segments, minute, request.wanted, moment)
    if visit_type is None:
        if not offered(calendar, request.wanted):
            raise NoVisitTypeError
        _, why = reasons(calendar, minute, request.wanted, (), moment)
        raise NotOfferedError(" ".join(DETAILS[each] for each in why))
    if request.start.second or request.start.microsecond:
        raise NotOfferedError(DETAILS[Reason.OFF_GRID])
    visit = Visit(
        place_id=place.id,
        npi=place.npi,
        practice_id=place.practice_id,
        time_zone=calendar.time_zone,
        start=request.start,
        minutes=visit_type.minutes,
        visit_type=visit_type.id,
        visit_reason=request.visit_reason,
        mode=request.mode,
        patient_kind=request.patient,
    )
    return visit, occupied_range(visit_type, request.start)


def occupied_range(visit_type: VisitType, start: datetime) -> TimeRange:
    """Return the time of a visit with its buffers."""
    return TimeRange(
        start - timedelta(minutes=visit_type.buffer_before),
        start + timedelta(minutes=visit_type.minutes + visit_type.buffer_after),
    )
