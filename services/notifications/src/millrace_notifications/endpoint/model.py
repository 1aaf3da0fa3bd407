"""Webhook endpoints, their secrets and health, without I/O.

Secrets aren't stored. They are derived from a key of the service, the endpoint's id and a generation that increases
with each rotation, so access to the database alone doesn't allow signing.
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
"""Maximum number of endpoints per practice."""
FAILING_UNTIL_DISABLED = timedelta(days=5)
PROMPT_MILLISECONDS = 1_000
"""Longest duration of an attempt that counts as prompt, whether it succeeds or fails."""
PROMPT_ATTEMPTS = 3
"""Prompt attempts in a row that make an endpoint prompt; one slow attempt ends it."""
OVERLAP = timedelta(hours=24)
MAX_OVERLAP = timedelta(days=7)

DisabledReason = Literal["by_practice", "failing", "gone"]


class EventType(StrEnum):
    """Event types an endpoint can subscribe to. `PING` is sent on request only."""

    BOOKED = "appointment.booked"
    MOVED = "appointment.moved"
    CONFIRMED = "appointment.confirmed"
    CANCELLED = "appointment.cancelled"
    ARRIVED = "appointment.arrived"
    COMPLETED = "appointment.completed"
    NO_SHOW = "appointment.no_show"
    PROVIDER_LOCATION_PENDING = "provider_location.pending"


PING = "ping"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Identifies a secret of an endpoint: id of the service's key, and generation, starting at 1."""

    key: str
    generation: int


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """The fields of an endpoint that a practice can change."""

    url: str
    description: str | None
    events: tuple[EventType, ...]
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A webhook endpoint.

    Messages are also signed with the `previous` secret until `previous_until`. `failing_since` is the time of the first
    failure after the last success. `prompt_attempts` counts the last attempts in a row that were prompt, up to
    `PROMPT_ATTEMPTS`.
    """

    id: UUID
    practice_id: str
    version: int
    url: str
    description: str | None
    events: tuple[EventType, ...]
    secret: SecretRef
    created_at: datetime
    disabled_reason: DisabledReason | None = None
    previous: SecretRef | None = None
    previous_until: datetime | None = None
    failing_since: datetime | None = None
    prompt_attempts: int = 0

    @property
    def enabled(self) -> bool:
        return self.disabled_reason is None

    def with_config(self, config: EndpointConfig) -> "Endpoint":
        """Return the endpoint with a new configuration. Enabling a disabled endpoint resets `failing_since`."""
        return replace(
            self,
            url=config.url,
            description=config.description,
            events=config.events,
            disabled_reason=None if config.enabled else self.disabled_reason or "by_practice",
            failing_since=None if config.enabled and not self.enabled else self.failing_since,
            prompt_attempts=self.prompt_attempts if config.url == self.url else 0,
        )

    def with_new_secret(self, key: str, overlap: timedelta, now: datetime) -> "Endpoint":
        """Return the endpoint with a new secret. Messages are also signed with the replaced one for `overlap`."""
        return replace(
            self,
            secret=SecretRef(key, self.secret.generation + 1),
            previous=self.secret if overlap else None,
            previous_until=now + overlap if overlap else None,
        )

    def signing_secrets(self, now: datetime) -> tuple[SecretRef, ...]:
        """Return the secrets that messages are signed with at this time, newest first."""
        overlapping = self.previous is not None and self.previous_until is not None and now < self.previous_until
        return (self.secret, self.previous) if overlapping and self.previous is not None else (self.secret,)

    def after_failure(self, now: datetime, *, gone: bool) -> "Endpoint":
        """Return the endpoint after a failed attempt.

        It is disabled if it is `gone` (HTTP 410) or has failed for five days.
        """
        since = self.failing_since or now
        long_enough = now - since >= FAILING_UNTIL_DISABLED
        reason: DisabledReason | None = "gone" if gone else "failing" if long_enough else None
        return replace(self, failing_since=since, disabled_reason=self.disabled_reason or reason)

    def after_success(self) -> "Endpoint":
        return replace(self, failing_since=None)

    def after_duration(self, milliseconds: int) -> "Endpoint":
        """Return the endpoint after an attempt of this duration."""
        is_prompt = milliseconds <= PROMPT_MILLISECONDS
        return replace(self, prompt_attempts=min(self.prompt_attempts + 1, PROMPT_ATTEMPTS) if is_prompt else 0)


class UnknownKeyError(Exception):
    """The service's key that a secret is derived from isn't configured."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Derives the secrets of endpoints. `keys` maps ids to keys; `current` is the id of the key for new secrets."""

    keys: Mapping[str, bytes] = field(repr=False)
    current: str

    @classmethod
    def of(cls, keys: list[bytes]) -> "Secrets":
        """Create an instance from keys of 32 bytes, of which the first is for new secrets."""
        by_id = {hashlib.sha256(b"millrace webhook key id" + key).hexdigest()[:16]: key for key in keys}
        return cls(by_id, next(iter(by_id)))

    def derive(self, endpoint_id: UUID, ref: SecretRef) -> bytes:
        """Return the 32 bytes of the secret. Raises `UnknownKeyError`."""
        key = self.keys.get(ref.key)
        if key is None:
            raise UnknownKeyError("MILLRACE_NOTIFICATIONS_WEBHOOK_KEYS doesn't contain the key of this secret")
        return hmac.new(
            key, b"webhook-secret" + endpoint_id.bytes + ref.generation.to_bytes(4, "big"), hashlib.sha256
        ).digest()

    def encode(self, endpoint_id: UUID, ref: SecretRef) -> str:
        """Return the secret as practices receive it: `whsec_` and base64. Raises `UnknownKeyError`."""
        return PREFIX + base64.b64encode(self.derive(endpoint_id, ref)).decode()
