"""Schemas of webhook endpoints."""

from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from millrace_notifications.endpoint.model import MAX_OVERLAP, OVERLAP, Endpoint, EndpointConfig, EventType
from millrace_platform.patterns import Pattern
from millrace_platform.resources import Body, Schema, Text, Version

Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2048,
        description="An https URL on the public internet.",
        examples=["https://ehr.example.com/hooks/millrace"],
    ),
    Pattern(r"^[^\x00-\x20\x7f]+$", "Remove spaces and control characters from the URL."),
]
Events = Annotated[
    list[EventType],
    Field(min_length=1, max_length=len(EventType), description="Subscribed event types."),
]


class EndpointBody(Body):
    """All fields of a webhook endpoint that the practice can change."""

    read_only: ClassVar[frozenset[str]] = frozenset(
        {"id", "practice_id", "version", "disabled_because", "created_at", "previous_secret_until"}
    )

    url: Url
    description: Text | None = None
    events: Events = Field(default_factory=lambda: list(EventType), description="Subscribed event types. Default: all.")
    enabled: bool = True

    def config(self) -> EndpointConfig:
        return EndpointConfig(self.url, self.description, tuple(dict.fromkeys(self.events)), self.enabled)


class NewEndpointBody(EndpointBody):
    """A new webhook endpoint."""

    read_only: ClassVar[frozenset[str]] = frozenset()

    practice_id: Annotated[UUID | None, Field(description="Required if the caller works for several practices.")] = None


class EndpointResource(Schema):
    """A webhook endpoint: receives messages about changes of the practice's appointments."""

    model_config = ConfigDict(from_attributes=True, validate_by_name=True)

    id: UUID
    practice_id: str
    version: Version
    url: str
    description: str | None
    events: list[EventType]
    enabled: bool
    disabled_because: Literal["by_practice", "failing", "gone"] | None = Field(
        validation_alias="disabled_reason",
        description="`failing`: no attempt succeeded for five days. `gone`: the endpoint responded 410.",
    )
    previous_secret_until: datetime | None = Field(
        validation_alias="previous_until", description="Messages are signed with the previous secret too until then."
    )
    created_at: datetime

    @classmethod
    def of(cls, endpoint: Endpoint) -> "EndpointResource":
        return cls.model_validate(endpoint)


class EndpointWithSecret(EndpointResource):
    """A webhook endpoint with its new secret, which isn't shown again."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="])

    @classmethod
    def with_secret(cls, endpoint: Endpoint, secret: str) -> "EndpointWithSecret":
        return cls(**dict(EndpointResource.of(endpoint)), secret=secret)


class RotationBody(Body):
    """How long messages are signed with the replaced secret too, after a rotation."""

    overlap: Annotated[
        int,
        Field(ge=0, le=int(MAX_OVERLAP.total_seconds()), description="Seconds during which the old secret also signs."),
    ] = int(OVERLAP.total_seconds())

    def overlap_duration(self) -> timedelta:
        return timedelta(seconds=self.overlap)
