"""REST resources of calendar feeds."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from millrace_platform.patterns import Pattern
from millrace_platform.resources import Body, Schema
from millrace_scheduling.calendar_feed.model import CalendarFeed

Npi = Annotated[
    str, Pattern(r"^[12][0-9]{9}$", "Give the ten digits of a National Provider Identifier, which begins with 1 or 2.")
]


class CalendarFeedBody(Body):
    """The appointments to list: of a provider-location or a provider, for staff; by default the patient's own."""

    provider_location_id: UUID | None = None
    npi: Npi | None = None

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if self.provider_location_id is not None and self.npi is not None:
            raise PydanticCustomError(
                "one_of_two",
                "Both a provider-location and an NPI are given.",
                {"remedy": "Give one of them, or neither."},
            )
        return self


class CalendarFeedResource(Schema):
    """A calendar feed without its address, which is returned only once. Create another feed if the address is lost."""

    id: UUID
    patient_id: UUID | None
    provider_location_id: UUID | None
    npi: str | None
    created_by: UUID = Field(description="The account that created it, and whose roles decide whether it can be read.")
    created_at: datetime

    @classmethod
    def of(cls, feed: CalendarFeed) -> "CalendarFeedResource":
        return cls(
            id=feed.id,
            patient_id=feed.patient_id,
            provider_location_id=feed.provider_location_id,
            npi=feed.npi,
            created_by=feed.created_by,
            created_at=feed.created_at,
        )


class NewCalendarFeed(Schema):
    """A created calendar feed with its address. Everyone who has the address can read the appointments."""

    feed: CalendarFeedResource
    path: str = Field(examples=["/v1/appointments/feeds/3q2-7w….ics"])


class CalendarFeedList(Schema):
    """Calendar feeds, the oldest first."""

    items: list[CalendarFeedResource]
    next: str | None = Field(None, description="Cursor of the next page of a practice's feeds.")
