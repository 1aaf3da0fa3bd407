"""Creates a message for each change and a delivery for each subscribed endpoint, in the change's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from millrace_notifications.delivery import repository
from millrace_notifications.delivery.model import Message
from millrace_notifications.endpoint import repository as endpoints
from millrace_notifications.endpoint.model import EventType
from millrace_platform.database import Session
from millrace_platform.ids import Ids


@dataclass(frozen=True, slots=True)
class PracticeEvent:
    """A version of an entity that concerns a practice, and the body of the message about it."""

    practice_id: str
    type: EventType
    entity: str
    version: int
    body: bytes


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
            message = self._message(event, now)
            messages.append(message)
            enabled = (endpoint for endpoint in by_practice[event.practice_id] if endpoint.enabled)
            deliveries += [(endpoint.id, message.id) for endpoint in enabled if event.type in endpoint.events]
        await repository.insert_messages(session, messages)
        await repository.insert_deliveries(session, deliveries, self.ids, now)

    def _message(self, event: PracticeEvent, now: datetime) -> Message:
        return Message(
            id=self.ids(),
            practice_id=event.practice_id,
            type=event.type,
            entity=event.entity,
            version=event.version,
            body=event.body,
            created_at=now,
        )
