"""What a message says: ids and states. Whoever needs more asks for it with a token of its own."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from millrace_feeds.clock import rfc3339
from millrace_notifications.appointment.model import Happening, Visit
from millrace_notifications.endpoint.model import PING, EventType


def type_of(happening: Happening) -> EventType:
    return EventType(f"appointment.{happening}")


def appointment_body(happening: Happening, visit: Visit, practice: str, at: datetime) -> bytes:
    """`at` is when it happened."""
    data: Mapping[str, str | int] = {
        "appointment_id": visit.id,
        "version": visit.version,
        "state": visit.state,
        "practice_id": practice,
        "provider_location_id": visit.provider_location_id,
    }
    return _body(type_of(happening), at, data)


def ping_body(endpoint: UUID, practice: str, at: datetime) -> bytes:
    return _body(PING, at, {"endpoint_id": str(endpoint), "practice_id": practice})


def _body(kind: str, at: datetime, data: Mapping[str, str | int]) -> bytes:
    return msgspec.json.encode({"type": kind, "timestamp": rfc3339(at.timestamp()), "data": data})
