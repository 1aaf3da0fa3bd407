"""From what somebody asks for to the time that has to be taken. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from millrace_contracts.entities import Mode, PatientKind
from millrace_scheduling.availability.explanation import DETAILS, Reason, reasons
from millrace_scheduling.availability.model import Wanted, offered, visit_at
from millrace_scheduling.calendar.model import Calendar, VisitType
from millrace_scheduling.claim.model import Span, Visit
from millrace_scheduling.place.model import Place
from millrace_scheduling.slot.model import Segment
from millrace_scheduling.slot.zones import minute_of


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to book. `start` is aware; `visit_reason` None leaves it to the calendar."""

    place_id: UUID
    start: datetime
    visit_reason: str | None
    patient: PatientKind
    mode: Mode

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.visit_reason, self.patient, self.mode)


class NoVisitTypeError(Exception):
    """The calendar has no such visits."""


class NotOfferedError(Exception):
    """The time isn't one of those that the calendar offers; the text says why, for the caller."""


def visit_and_span(
    asked: Asked, place: Place, calendar: Calendar, segments: Sequence[Segment], now: datetime
) -> tuple[Visit, Span]:
    """The visit, and the time that it takes with its buffers. Raises `NoVisitTypeError`, `NotOfferedError`.

    What is taken isn't looked at: that shows when the time is taken.
    """
    minute, moment = minute_of(asked.start), now.timestamp()
    kind = visit_at(calendar, segments, minute, asked.wanted, moment)
    if kind is None:
        if not offered(calendar, asked.wanted):
            raise NoVisitTypeError
        _, why = reasons(calendar, minute, asked.wanted, (), moment)
        raise NotOfferedError(" ".join(DETAILS[each] for each in why))
    if asked.start.second or asked.start.microsecond:
        raise NotOfferedError(DETAILS[Reason.OFF_GRID])
    visit = Visit(
        place_id=place.id,
        npi=place.npi,
        practice_id=place.practice_id,
        time_zone=calendar.time_zone,
        start=asked.start,
        minutes=kind.minutes,
        visit_type=kind.id,
        visit_reason=asked.visit_reason,
        mode=asked.mode,
        patient_kind=asked.patient,
    )
    return visit, span_of(kind, asked.start)


def span_of(kind: VisitType, start: datetime) -> Span:
    """The time of such a visit with its buffers."""
    return Span(
        start - timedelta(minutes=kind.buffer_before), start + timedelta(minutes=kind.minutes + kind.buffer_after)
    )
