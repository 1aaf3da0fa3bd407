"""Calendar feeds as REST resources."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from millrace_platform.resources import Body, Schema
from millrace_scheduling.ics.model import Feed

Npi = Annotated[str, StringConstraints(pattern=r"^[12]\d{9}$")]


class FeedBody(Body):
    """Whose appointments: of a provider-location or a provider, for staff; with neither, the patient's own."""

    provider_location_id: UUID | None = None
    npi: Npi | None = None

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.provider_location_id is not None and self.npi is not None:
            raise PydanticCustomError("one_of_two", "Both are given.", {"remedy": "Give one of them, or neither."})
        return self


class FeedResource(Schema):
    """A calendar feed. Its address isn't shown again: make another where it is lost."""

    id: UUID
    patient_id: UUID | None
    provider_location_id: UUID | None
    npi: str | None
    created_at: datetime

    @classmethod
    def of(cls, feed: Feed) -> "FeedResource":
        return cls(
            id=feed.id,
            patient_id=feed.patient_id,
            provider_location_id=feed.place_id,
            npi=feed.npi,
            created_at=feed.created_at,
        )


class NewFeed(Schema):
    """A feed that was just made, with its address: whoever has it sees the appointments."""

    feed: FeedResource
    path: str = Field(examples=["/v1/appointments/feeds/3q2-7w….ics"])


class FeedList(Schema):
    """The oldest first."""

    items: list[FeedResource]
