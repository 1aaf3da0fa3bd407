"""Webhook messages, their deliveries and the schedule of attempts: pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from uuid import UUID

from millrace_feeds.backoff import Backoff
from millrace_notifications.network.client import PostResponse

GIVE_UP_AFTER = timedelta(hours=48)
RETRY_BACKOFF = Backoff(first=5.0, factor=4.0, ceiling=21_600.0)
GONE = 410


class State(StrEnum):
    """State of a delivery. All states but `pending` are final."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up after 48 hours."""
    CANCELLED = "cancelled"
    """The delivery was due while the endpoint was disabled."""


@dataclass(frozen=True, slots=True)
class Message:
    """A webhook message to a practice about one version of an entity. `body` is the JSON to send."""

    id: UUID
    practice_id: str
    type: str
    entity: str
    version: int
    body: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A due delivery leased by this worker. `attempts` is the number of earlier attempts."""

    id: UUID
    lease: UUID
    endpoint_id: UUID
    message_id: UUID
    created_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Shares:
    """Maximum of concurrent requests to one endpoint, and to all endpoints of one practice."""

    per_endpoint: int
    per_practice: int

    @classmethod
    def of(cls, concurrency: int, per_endpoint: int) -> "Shares":
        """Return the shares of workers that send `concurrency` requests at a time: a practice gets a quarter."""
        return cls(per_endpoint, max(1, concurrency // 4))


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to deliver a message: `status` of the response, or the code of the `failure` if there was none."""

    number: int
    attempted_at: datetime
    status: int | None
    failure: str | None
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery of a message. `next_attempt_at` is None unless the delivery is pending."""

    id: UUID
    message_id: UUID
    type: str
    state: State
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: int
    last_attempt: Attempt | None = None


def is_success(response: PostResponse) -> bool:
    return 200 <= response.status < 300


def next_attempt(
    created_at: datetime, attempts: int, now: datetime, random: Random, retry_after: int | None = None
) -> datetime | None:
    """Return the time of the next attempt after `attempts` failures; None if it is over 48 h after `created_at`.

    `retry_after` (seconds, from the response) can lengthen the delay up to the ceiling of the backoff.
    """
    delay = RETRY_BACKOFF.delay(attempts, random)
    if retry_after is not None:
        delay = max(delay, min(retry_after, RETRY_BACKOFF.ceiling))
    due = now + timedelta(seconds=delay)
    return due if due - created_at <= GIVE_UP_AFTER else None
