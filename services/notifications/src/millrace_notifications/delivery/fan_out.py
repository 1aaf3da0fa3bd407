"""Creates a message for each change and a delivery for each subscribed endpoint, in the change's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from millrace_notifications.appointment.model import Appointment, ChangeType
from millrace_notifications.delivery import repository
from millrace_notifications.delivery.model import Message
from millrace_notifications.delivery.payload import appointment_body, event_type
from millrace_notifications.endpoint import repository as endpoints
from millrace_platform.database import Session
from millrace_platform.ids import Ids


@dataclass(frozen=True, slots=True)
class PracticeEvent:
    """A change of an appointment that concerns a practice. `at` is the time of the change."""

    practice_id: str
    change: ChangeType
    appointment: Appointment
    at: datetime


@dataclass(frozen=True, slots=True)
class FanOut:
    """Creates webhook messages and their deliveries. Stores nothing for practices without endpoints."""

    ids: Ids

    async def create_deliveries(self, session: Session, events: Sequence[PracticeEvent], now: datetime) -> None:
        """Create a message per event and its deliveries.

        Messages are stored for disabled endpoints too, so that they can be redelivered once the endpoint is enabled.
        """
        by_practice = await endpoints.load_by_practice(session, {each.practice_id for each in events})
        messages, deliveries = [], []
        for event in events:
            if event.practice_id not in by_practice:
                continue
            message, type_ = self._message(event, now), event_type(event.change)
            messages.append(message)
            enabled = (endpoint for endpoint in by_practice[event.practice_id] if endpoint.enabled)
            deliveries += [(endpoint.id, message.id) for endpoint in enabled if type_ in endpoint.events]
        await repository.insert_messages(session, messages)
        await repository.insert_deliveries(session, deliveries, self.ids, now)

    def _message(self, event: PracticeEvent, now: datetime) -> Message:
        return Message(
            id=self.ids(),
            practice_id=event.practice_id,
            type=event_type(event.change),
            entity=event.appointment.entity,
            version=event.appointment.version,
            body=appointment_body(event.change, event.appointment, event.practice_id, event.at),
            created_at=now,
        )
