"""Schemas of deliveries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from millrace_notifications.delivery.model import Attempt, Delivery, State
from millrace_platform.resources import Body, Moment, Schema

"""Bounds within which a time can be converted to every time zone."""


class AttemptResource(Schema):
    """One attempt to deliver: `status` of the response, or the code of the `failure` if there was no response."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    at: datetime = Field(validation_alias="attempted_at")
    status: int | None
    failure: str | None = Field(
        description="`refused_address`, `unknown_name`, `timeout`, `tls`, `connection`, `protocol` or `no_secret`."
    )
    milliseconds: int


class DeliveryResource(Schema):
    """A delivery of a message to an endpoint."""

    model_config = ConfigDict(from_attributes=True, validate_by_name=True)

    id: UUID
    webhook_id: UUID = Field(
        validation_alias="message_id", description="Id of the message: the same in every attempt and redelivery."
    )
    type: str = Field(examples=["appointment.booked"])
    state: State
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: int
    last_attempt: AttemptResource | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryResource":
        return cls.model_validate(delivery)


class DeliveryWithAttempts(DeliveryResource):
    """A delivery with all its attempts, oldest first."""

    log: list[AttemptResource]

    @classmethod
    def with_log(cls, delivery: Delivery, attempts: Sequence[Attempt]) -> "DeliveryWithAttempts":
        log = [AttemptResource.model_validate(each) for each in attempts]
        return cls(**dict(DeliveryResource.of(delivery)), log=log)


class RedeliveryBody(Body):
    """Selection of the messages to redeliver."""

    since: Annotated[Moment, Field(description="Redeliver messages created since then. Retention: 30 days.")]
    delivered: Annotated[bool, Field(description="Include messages that were delivered.")] = False


class RedeliveryCount(Schema):
    """Number of redelivered messages.

    If it is 10,000, the limit of one request, there may be more: repeat the request.
    """

    count: int
