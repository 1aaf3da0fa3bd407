"""An endpoint of a practice, its secrets and its health: pure.

A secret isn't kept. It is derived from a key of the service, the endpoint's id and a number that rises with each
rotation, so the database alone can't sign anything.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

PREFIX = "whsec_"
SECRET_BYTES = 32
LIMIT = 10
"""Endpoints that a practice may have."""
FAILING_UNTIL_DISABLED = timedelta(days=5)
OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=7)

Disabled = Literal["by_practice", "failing", "gone"]


class EventType(StrEnum):
    """What an endpoint can be told of. `ping` is sent on request only, whatever is subscribed to."""

    BOOKED = "appointment.booked"
    MOVED = "appointment.moved"
    CONFIRMED = "appointment.confirmed"
    CANCELLED = "appointment.cancelled"
    ARRIVED = "appointment.arrived"
    COMPLETED = "appointment.completed"
    NO_SHOW = "appointment.no_show"


PING = "ping"


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Which secret: the id of the service's key, and how often the endpoint's secret was made anew."""

    key: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`previous` goes on signing until `previous_until`. `failing_since` is None after a success."""

    id: UUID
    practice_id: str
    version: int
    url: str
    description: str | None
    events: tuple[EventType, ...]
    secret: SecretPlace
    created_at: datetime
    disabled: Disabled | None = None
    previous: SecretPlace | None = None
    previous_until: datetime | None = None
    failing_since: datetime | None = None

    def changed(self, *, url: str, description: str | None, events: tuple[EventType, ...], enabled: bool) -> "Endpoint":
        """As its practice wants it. Enabling begins a new count of failures."""
        kept = self.disabled or "by_practice"
        return replace(
            self,
            url=url,
            description=description,
            events=events,
            disabled=None if enabled else kept,
            failing_since=None if enabled and self.disabled is not None else self.failing_since,
        )

    def rotated(self, key: str, overlap: timedelta, now: datetime) -> "Endpoint":
        """With a new secret; the one before signs as well while they overlap, the one before that no more."""
        return replace(
            self,
            secret=SecretPlace(key, self.secret.generation + 1),
            previous=self.secret if overlap else None,
            previous_until=now + overlap if overlap else None,
        )

    def signing(self, now: datetime) -> tuple[SecretPlace, ...]:
        """The secrets that sign at this time, the newest first."""
        overlapping = self.previous is not None and self.previous_until is not None and now < self.previous_until
        return (self.secret, self.previous) if overlapping and self.previous is not None else (self.secret,)

    def after_failure(self, now: datetime, *, gone: bool) -> "Endpoint":
        """Disabled once it says that it is gone for good, or has failed for days without a success between."""
        since = self.failing_since or now
        long_enough = now - since >= FAILING_UNTIL_DISABLED
        reason: Disabled | None = "gone" if gone else "failing" if long_enough else None
        return replace(self, failing_since=since, disabled=self.disabled or reason)

    def after_success(self) -> "Endpoint":
        return replace(self, failing_since=None)


class UnknownKeyError(Exception):
    """A secret comes from a key that the service wasn't given."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Derives secrets. `keys` are by id; `current` names the one for new secrets."""

    keys: Mapping[str, bytes] = field(repr=False)
    current: str

    @classmethod
    def of(cls, keys: list[bytes]) -> "Secrets":
        """The first key is the current one."""
        by_id = {hashlib.sha256(b"millrace webhook key id" + key).hexdigest()[:16]: key for key in keys}
        return cls(by_id, next(iter(by_id)))

    def raw(self, endpoint: UUID, place: SecretPlace) -> bytes:
        """The secret's 32 bytes. Raises `UnknownKeyError`."""
        key = self.keys.get(place.key)
        if key is None:
            raise UnknownKeyError("the key of this secret isn't among MILLRACE_NOTIFICATIONS_WEBHOOK_KEYS")
        return hmac.new(
            key, b"webhook-secret" + endpoint.bytes + place.generation.to_bytes(4, "big"), hashlib.sha256
        ).digest()

    def shown(self, endpoint: UUID, place: SecretPlace) -> str:
        """As a practice gets it: `whsec_` and base64."""
        return PREFIX + base64.b64encode(self.raw(endpoint, place)).decode()
