"""Deliveries over HTTP."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from millrace_notifications.delivery.model import Attempt, Delivery, State
from millrace_platform.resources import Body, Schema

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Beyond these a time can't be had in every zone."""


class AttemptResource(Schema):
    """One try. `status` is the answer's; `failure` says why there was none."""

    number: int
    at: datetime
    status: int | None
    failure: str | None = Field(
        description="`refused_address`, `unknown_name`, `timeout`, `tls`, `connection`, `protocol` or `no_secret`."
    )
    milliseconds: int

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptResource":
        return cls(
            number=attempt.number,
            at=attempt.at,
            status=attempt.status,
            failure=attempt.failure,
            milliseconds=attempt.milliseconds,
        )


class DeliveryResource(Schema):
    """A message on its way to an endpoint."""

    id: UUID
    webhook_id: UUID = Field(description="The message's id: the same in every attempt and every redelivery.")
    type: str = Field(examples=["appointment.booked"])
    state: State
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: int
    last_attempt: AttemptResource | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryResource":
        return cls(**_fields(delivery))


class DeliveryWithAttempts(DeliveryResource):
    """A delivery with all its tries, the oldest first."""

    log: list[AttemptResource]

    @classmethod
    def with_log(cls, delivery: Delivery, attempts: Sequence[Attempt]) -> "DeliveryWithAttempts":
        return cls(**_fields(delivery), log=[AttemptResource.of(each) for each in attempts])


class RedeliveryBody(Body):
    """What is to be sent again."""

    since: Annotated[
        AwareDatetime,
        Field(ge=EARLIEST, le=LATEST, description="Messages made since then; they are kept for 30 days."),
    ]
    delivered: Annotated[bool, Field(description="Also those that have arrived.")] = False


class Redelivered(Schema):
    """How many messages are on their way again; where it is 10,000, there may be more: ask again."""

    count: int


def _fields(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.id,
        "webhook_id": delivery.message_id,
        "type": delivery.type,
        "state": delivery.state,
        "created_at": delivery.created_at,
        "next_attempt_at": delivery.due_at,
        "attempts": delivery.attempts,
        "last_attempt": None if delivery.last is None else AttemptResource.of(delivery.last),
    }
