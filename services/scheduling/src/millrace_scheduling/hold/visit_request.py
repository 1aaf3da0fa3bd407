"""A requested visit, and the visit and the time to reserve for it. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from millrace_contracts.entities import Mode, PatientKind
from millrace_scheduling.availability.model import Timetable
from millrace_scheduling.availability.visit_types import VisitCriteria
from millrace_scheduling.calendar.model import VisitType
from millrace_scheduling.reservation.model import TimeRange, Visit


@dataclass(frozen=True, slots=True)
class VisitRequest:
    """A visit that a patient wants to book. `start` has an offset; without a visit type the calendar chooses it."""

    provider_location_id: UUID
    start: datetime
    visit_reason: str | None
    patient: PatientKind
    mode: Mode
    visit_type: str | None = None

    @property
    def criteria(self) -> VisitCriteria:
        return VisitCriteria(self.visit_reason, self.patient, self.mode, self.visit_type)

    def is_for(self, visit: Visit) -> bool:
        """Return whether the visit is as requested, whichever type the calendar chose for it."""
        is_same_time = (self.provider_location_id, self.start) == (visit.provider_location_id, visit.start)
        wanted = (self.visit_reason, self.patient, self.mode, self.visit_type or visit.visit_type)
        return is_same_time and wanted == (visit.visit_reason, visit.patient_kind, visit.mode, visit.visit_type)

    def to_visit(self, timetable: Timetable, visit_type: VisitType) -> tuple[Visit, TimeRange]:
        """Return the visit of this type, and the time that it occupies with its buffers."""
        visit = Visit(
            provider_location_id=timetable.provider_location_id,
            npi=timetable.npi,
            practice_id=timetable.practice_id,
            time_zone=timetable.time_zone,
            start=self.start,
            minutes=visit_type.minutes,
            visit_type=visit_type.id,
            visit_reason=self.visit_reason,
            mode=self.mode,
            patient_kind=self.patient,
        )
        return visit, _occupied_range(visit_type, self.start)


def _occupied_range(visit_type: VisitType, start: datetime) -> TimeRange:
    """Return the time that a visit occupies: from its buffer before until its buffer after."""
    return TimeRange(
        start - timedelta(minutes=visit_type.buffer_before),
        start + timedelta(minutes=visit_type.minutes + visit_type.buffer_after),
    )
