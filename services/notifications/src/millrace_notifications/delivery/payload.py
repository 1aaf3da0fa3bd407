"""Bodies of messages. They contain only ids and states; the receiver fetches more with its own token."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from millrace_feeds.clock import rfc3339
from millrace_notifications.appointment.model import Appointment, ChangeType
from millrace_notifications.endpoint.model import PING, EventType
from millrace_notifications.provider_location.model import ProviderLocation


def event_type(change: ChangeType) -> EventType:
    return EventType(f"appointment.{change}")


def appointment_body(change: ChangeType, appointment: Appointment, practice_id: str, at: datetime) -> bytes:
    """Return the body of a message about a change that occurred at `at`."""
    data: Mapping[str, str | int] = {
        "appointment_id": appointment.id,
        "version": appointment.version,
        "state": appointment.state,
        "practice_id": practice_id,
        "provider_location_id": appointment.provider_location_id,
    }
    return _encode(event_type(change), at, data)


def pending_provider_location_body(pending: ProviderLocation, practice_id: str, at: datetime) -> bytes:
    """Return the body of a message to a practice about a pending provider-location of one of its providers."""
    data = {"provider_location_id": pending.id, "npi": pending.npi, "practice_id": practice_id}
    return _encode(EventType.PROVIDER_LOCATION_PENDING, at, data)


def ping_body(endpoint_id: UUID, practice_id: str, at: datetime) -> bytes:
    return _encode(PING, at, {"endpoint_id": str(endpoint_id), "practice_id": practice_id})


def _encode(type_: str, at: datetime, data: Mapping[str, str | int]) -> bytes:
    return msgspec.json.encode({"type": type_, "timestamp": rfc3339(at.timestamp()), "data": data})
