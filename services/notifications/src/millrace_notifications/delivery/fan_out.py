"""Turns news of visits into a message for each endpoint that wants it, in the transaction of the change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from millrace_notifications.appointment.model import Happening, Visit
from millrace_notifications.delivery import repository
from millrace_notifications.delivery.model import Message
from millrace_notifications.delivery.payload import appointment_body, type_of
from millrace_notifications.endpoint import repository as endpoints
from millrace_platform.database import Session
from millrace_platform.ids import Ids


@dataclass(frozen=True, slots=True)
class News:
    """What a practice is told; `at` is when it happened."""

    practice: str
    happening: Happening
    visit: Visit
    at: datetime


@dataclass(frozen=True, slots=True)
class FanOut:
    """For a practice without endpoints nothing is kept."""

    ids: Ids

    async def tell(self, session: Session, news: Sequence[News], now: datetime) -> None:
        """A message is kept for a disabled endpoint too: once enabled, it can ask for what it missed."""
        found = await endpoints.of_practices(session, {each.practice for each in news})
        messages, deliveries = [], []
        for each in news:
            if each.practice not in found:
                continue
            message, kind = self._message(each, now), type_of(each.happening)
            messages.append(message)
            wanting = (endpoint for endpoint in found[each.practice] if endpoint.disabled is None)
            deliveries += [(endpoint.id, message.id) for endpoint in wanting if kind in endpoint.events]
        await repository.add_messages(session, messages)
        await repository.add(session, deliveries, self.ids, now)

    def _message(self, news: News, now: datetime) -> Message:
        return Message(
            id=self.ids(),
            practice_id=news.practice,
            type=type_of(news.happening),
            entity=news.visit.entity,
            version=news.visit.version,
            body=appointment_body(news.happening, news.visit, news.practice, news.at),
            created_at=now,
        )
