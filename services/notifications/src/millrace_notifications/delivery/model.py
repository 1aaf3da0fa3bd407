"""Deliveries and when they are tried: pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from uuid import UUID

from millrace_notifications.backoff import backoff
from millrace_notifications.network.client import Answer

GIVE_UP_AFTER = timedelta(hours=48)
FIRST_PAUSE = timedelta(seconds=5)
FACTOR = 4.0
LONGEST_PAUSE = timedelta(hours=6)
GONE = 410


class State(StrEnum):
    """Of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up after 48 hours."""
    CANCELLED = "cancelled"
    """It came due while the endpoint was disabled."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a practice's endpoints are told; `entity` and `version` are what it is about."""

    id: UUID
    practice_id: str
    type: str
    entity: str
    version: int
    body: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery whose time has come, leased to this worker. `attempts` counts those before."""

    id: UUID
    lease: UUID
    endpoint_id: UUID
    message_id: UUID
    created_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: the answer's status, or the code of what went wrong."""

    number: int
    at: datetime
    status: int | None
    failure: str | None
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way to an endpoint, as the log shows it. `due_at` is None once it is settled."""

    id: UUID
    message_id: UUID
    type: str
    state: State
    created_at: datetime
    due_at: datetime | None
    attempts: int
    last: Attempt | None = None


def is_success(answer: Answer) -> bool:
    return 200 <= answer.status < 300


def next_attempt(
    created_at: datetime, attempts: int, now: datetime, random: Random, retry_after: int | None = None
) -> datetime | None:
    """When to try again after so many failures; None where that would be over 48 hours after the delivery was made.

    What the other side asks for (`retry_after`, seconds) can make a pause longer, up to the longest of ours.
    """
    pause = backoff(attempts, first=FIRST_PAUSE, factor=FACTOR, ceiling=LONGEST_PAUSE, random=random)
    if retry_after is not None:
        pause = max(pause, min(timedelta(seconds=retry_after), LONGEST_PAUSE))
    due = now + pause
    return due if due - created_at <= GIVE_UP_AFTER else None
