"""Holds as REST resources."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from millrace_contracts.entities import Mode, PatientKind
from millrace_platform.resources import Body, Moment, Schema
from millrace_scheduling.calendar.schemas import Slug, VisitReasonSlug
from millrace_scheduling.hold.model import Hold
from millrace_scheduling.hold.visit_request import VisitRequest
from millrace_scheduling.reservation.model import Visit
from millrace_scheduling.zones import get_zone

Reason = Annotated[VisitReasonSlug, Field(max_length=100, examples=["annual-physical"])]
"""A slug of the directory's visit reasons."""


class HoldBody(Body):
    """The time to hold and its visit. `dependant_id` is set if the visit is for a dependant of the patient.

    Without a `visit_type` the hold gets the one that availability shows for the same reason, patient and mode.
    """

    provider_location_id: UUID
    start: Moment
    visit_reason: Reason | None = None
    patient: PatientKind = "new"
    mode: Mode = "in_person"
    visit_type: Annotated[Slug | None, Field(description="Id of a visit type of the calendar.")] = None
    dependant_id: UUID | None = None

    def visit_request(self) -> VisitRequest:
        return VisitRequest(
            self.provider_location_id, self.start, self.visit_reason, self.patient, self.mode, self.visit_type
        )


class VisitFields(Schema):
    """The fields of a visit that holds and appointments share."""

    provider_location_id: UUID
    npi: str
    start: datetime = Field(description="With the UTC offset of the provider-location at that time.")
    end: datetime
    time_zone: str = Field(examples=["America/New_York"])
    minutes: int
    visit_type: str = Field(description="An id of the provider-location's calendar.")
    visit_reason: str | None
    mode: Mode
    patient: PatientKind


def visit_fields(visit: Visit) -> dict[str, Any]:
    """Return the values of `VisitFields` for a visit, with its times in the local time of its location."""
    local = get_zone(visit.time_zone)
    return {
        "provider_location_id": visit.provider_location_id,
        "npi": visit.npi,
        "start": visit.start.astimezone(local),
        "end": visit.end.astimezone(local),
        "time_zone": visit.time_zone,
        "minutes": visit.minutes,
        "visit_type": visit.visit_type,
        "visit_reason": visit.visit_reason,
        "mode": visit.mode,
        "patient": visit.patient_kind,
    }


class HoldResource(VisitFields):
    """A time that is reserved for the patient until `expires_at`."""

    id: UUID
    dependant_id: UUID | None
    expires_at: datetime
    extendable: bool

    @classmethod
    def of(cls, hold: Hold) -> "HoldResource":
        return cls.model_construct(
            id=hold.id,
            dependant_id=hold.dependant_id,
            **visit_fields(hold.visit),
            expires_at=hold.expires_at,
            extendable=not hold.is_extended,
        )


class HoldList(Schema):
    """A patient's active holds, ordered by start."""

    items: list[HoldResource]


def local_text(start: datetime, time_zone: str) -> str:
    """Return `start` in the format of RFC 3339, in the local time of the time zone with its UTC offset."""
    return start.astimezone(get_zone(time_zone)).isoformat()
