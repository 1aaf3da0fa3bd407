"""Openings as REST asks for them and shows them."""

from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from millrace_contracts.entities import Mode, PatientKind
from millrace_platform.resources import Schema
from millrace_scheduling.availability.explanation import DETAILS, Reason
from millrace_scheduling.availability.model import Wanted

PLACES = 50
DAYS = 31

PlaceIds = Annotated[
    list[UUID],
    Field(min_length=1, max_length=PLACES, description="Ids of provider-locations; repeat the parameter for more."),
]


class Looking(Schema):
    """What a patient looks for; what is absent is left open."""

    visit_reason: Annotated[str | None, Field(max_length=100, description="Slug of a visit reason.")] = None
    patient: Annotated[PatientKind | None, Field(description="Whether the practice knows the patient.")] = None
    mode: Annotated[Mode | None, Field(description="How the visit takes place.")] = None

    def wanted(self) -> Wanted:
        return Wanted(self.visit_reason, self.patient, self.mode)


class AvailabilityParameters(Looking):
    """As they stand in the query string."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider_location: PlaceIds
    from_: Annotated[
        date | None, Field(alias="from", description="First day, on the wall of each place; today where it is absent.")
    ] = None
    to: Annotated[date | None, Field(description=f"Last day, at most {DAYS} days in all; 7 where it is absent.")] = None


class ExplainParameters(Looking):
    """As they stand in the query string."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider_location: UUID
    start: AwareDatetime


class OpeningResource(Schema):
    """A time that can be booked."""

    start: Annotated[datetime, Field(description="With the offset that the place has then.")]
    minutes: Annotated[int, Field(description="Of the shortest visit that fits.")]
    modes: list[Mode]
    patients: list[PatientKind]


class PlaceOpenings(Schema):
    """The openings of one place; not `bookable`: it has no calendar here, or there is no such place."""

    provider_location_id: UUID
    bookable: bool
    time_zone: Annotated[str | None, Field(description="IANA name.", examples=["America/New_York"])]
    openings: list[OpeningResource]


class AvailabilityResource(Schema):
    """What can be booked from one day to another, both included."""

    from_: Annotated[date, Field(alias="from")]
    to: date
    provider_locations: list[PlaceOpenings]


class Explained(Schema):
    """One thing that keeps a time from being offered."""

    code: Reason
    detail: str


class ExplanationResource(Schema):
    """Why a time isn't offered; no reasons: it is."""

    provider_location_id: UUID
    start: Annotated[datetime, Field(description="With the offset that the place has then.")]
    time_zone: str | None
    offered: bool
    visit_type: Annotated[str | None, Field(description="Id of the visit type that it was judged for.")]
    reasons: list[Explained]

    @staticmethod
    def explained(reasons: tuple[Reason, ...]) -> list[Explained]:
        return [Explained(code=each, detail=DETAILS[each]) for each in reasons]


def last_day(first: date, to: date | None) -> date:
    return first + timedelta(6) if to is None else to
