"""Parameters and REST resources of openings."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from millrace_contracts.entities import Mode, PatientKind
from millrace_platform.resources import Day, Moment, Schema
from millrace_scheduling.availability.explanation import Reason
from millrace_scheduling.availability.visit_types import VisitCriteria
from millrace_scheduling.calendar.schemas import Slug, VisitReasonSlug

MAX_PROVIDER_LOCATIONS = 50
MAX_DAYS = 31

ProviderLocationIds = Annotated[
    list[UUID],
    Field(
        min_length=1,
        max_length=MAX_PROVIDER_LOCATIONS,
        description="Id of a provider-location; repeat the parameter for several.",
    ),
]


class VisitParameters(Schema):
    """Search criteria; a missing criterion matches every visit."""

    visit_reason: Annotated[VisitReasonSlug | None, Field(max_length=100, description="Slug of a visit reason.")] = None
    patient: Annotated[PatientKind | None, Field(description="Whether the patient is new to the practice.")] = None
    mode: Annotated[Mode | None, Field(description="In person or by video.")] = None
    visit_type: Annotated[Slug | None, Field(description="Id of a visit type of the calendars.")] = None

    def criteria(self) -> VisitCriteria:
        return VisitCriteria(self.visit_reason, self.patient, self.mode, self.visit_type)


class AvailabilityParameters(VisitParameters):
    """Query parameters of a search for openings."""

    model_config = ConfigDict(frozen=True)

    provider_location: ProviderLocationIds
    from_: Annotated[
        Day | None, Field(alias="from", description="First day, in the local time of each location; today by default.")
    ] = None
    to: Annotated[Day | None, Field(description=f"Last day, at most {MAX_DAYS} days in all; 7 days by default.")] = None


class ExplainParameters(VisitParameters):
    """Query parameters of an explanation."""

    model_config = ConfigDict(frozen=True)

    provider_location: UUID
    start: Moment


class BookableVisitResource(Schema):
    """A visit that a hold reserves for each of `patients` in each of `modes`."""

    visit_type: Annotated[str, Field(description="Id of the calendar's visit type.")]
    minutes: int
    modes: list[Mode]
    patients: list[PatientKind]


class OpeningResource(BookableVisitResource):
    """A time that can be booked, and the visit that a hold reserves there.

    `other_visits` are those that a hold reserves for other patients and modes.
    """

    start: Annotated[datetime, Field(description="With the offset of the location at that time.")]
    other_visits: list[BookableVisitResource]


class ProviderLocationOpenings(Schema):
    """The openings of a provider-location. `bookable` is false if it has no calendar or doesn't exist."""

    provider_location_id: UUID
    bookable: bool
    time_zone: Annotated[str | None, Field(description="IANA name.", examples=["America/New_York"])]
    openings: list[OpeningResource]


class AvailabilityResource(Schema):
    """The openings from one day to another, both included."""

    from_: Annotated[date, Field(alias="from")]
    to: date
    provider_locations: list[ProviderLocationOpenings]


class ReasonResource(Schema):
    """A reason why a time isn't offered."""

    code: Reason
    detail: str

    @classmethod
    def of(cls, reason: Reason) -> "ReasonResource":
        return cls(code=reason, detail=reason.detail)


class ExplanationResource(Schema):
    """All reasons why a time isn't offered; empty if it can be booked."""

    provider_location_id: UUID
    start: Annotated[datetime, Field(description="With the offset of the location at that time.")]
    time_zone: str | None
    offered: bool
    visit_type: Annotated[str | None, Field(description="Id of the visit type that the reasons apply to.")]
    reasons: list[ReasonResource]
