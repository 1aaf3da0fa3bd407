"""Lists deliveries, sends pings and redelivers messages. Endpoints of other practices return 404."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.delivery import repository
from millrace_notifications.delivery.model import Attempt, Delivery, Message, State
from millrace_notifications.delivery.payload import ping_body
from millrace_notifications.endpoint import repository as endpoints
from millrace_notifications.endpoint.model import PING, Endpoint
from millrace_platform.database import Database, ReadSession, Session
from millrace_platform.errors import Conflict, NotFound
from millrace_platform.ids import Ids

Practices = Collection[str]


@dataclass(frozen=True, slots=True)
class DeliveryService:
    """Commands and queries on deliveries. Each command commits before it returns."""

    database: Database
    clock: Clock
    ids: Ids

    async def list(
        self, practices: Practices, endpoint_id: UUID, *, state: State | None, before: UUID | None, limit: int
    ) -> Sequence[Delivery]:
        """Return up to `limit` deliveries, newest first; with `before` (an id) only older ones. Problems: 404."""
        async with self.database.read() as session:
            await endpoints.get(session, endpoint_id, practices)
            return await repository.list_page(session, endpoint_id, state=state, before=before, limit=limit)

    async def get(
        self, practices: Practices, endpoint_id: UUID, identifier: UUID
    ) -> tuple[Delivery, Sequence[Attempt]]:
        """Return a delivery and its attempts, oldest first. Problems: 404."""
        async with self.database.read() as session:
            await endpoints.get(session, endpoint_id, practices)
            delivery = await _get_delivery(session, endpoint_id, identifier)
            return delivery, await repository.list_attempts(session, identifier)

    async def ping(self, practices: Practices, endpoint_id: UUID) -> Delivery:
        """Create a ping message and its delivery. Problems: 404, 409 if the endpoint is disabled."""
        identifier, now = self.ids(), utc_now(self.clock)
        async with self.database.transaction() as session:
            endpoint = await _lock_enabled(session, practices, endpoint_id)
            body = ping_body(endpoint.id, endpoint.practice_id, now)
            message = Message(identifier, endpoint.practice_id, PING, f"ping/{identifier}", 1, body, now)
            await repository.insert_messages(session, [message])
            (created,) = await repository.insert_deliveries(session, [(endpoint.id, identifier)], self.ids, now)
            return await _get_delivery(session, endpoint.id, created)

    async def redeliver(self, practices: Practices, endpoint_id: UUID, identifier: UUID) -> Delivery:
        """Create another delivery of a delivery's message. Problems: 404, 409 if the endpoint is disabled."""
        async with self.database.transaction() as session:
            await _lock_enabled(session, practices, endpoint_id)
            before = await _get_delivery(session, endpoint_id, identifier)
            pair, now = (endpoint_id, before.message_id), utc_now(self.clock)
            (created,) = await repository.insert_deliveries(session, [pair], self.ids, now)
            return await _get_delivery(session, endpoint_id, created)

    async def redeliver_since(
        self, practices: Practices, endpoint_id: UUID, since: datetime, *, delivered: bool
    ) -> int:
        """Redeliver up to `REDELIVER_LIMIT` missed messages (with `delivered`, delivered ones too); return how many.

        Problems: 404, 409 if the endpoint is disabled.
        """
        async with self.database.transaction() as session:
            endpoint = await _lock_enabled(session, practices, endpoint_id)
            messages = await repository.list_missed_messages(
                session,
                endpoint_id=endpoint.id,
                practice_id=endpoint.practice_id,
                types=[event.value for event in endpoint.events],
                since=since,
                delivered=delivered,
            )
            deliveries = [(endpoint.id, message) for message in messages]
            created = await repository.insert_deliveries(session, deliveries, self.ids, utc_now(self.clock))
        return len(created)


async def _lock_enabled(session: Session, practices: Practices, identifier: UUID) -> Endpoint:
    endpoint = await endpoints.get_for_update(session, identifier, practices)
    if not endpoint.enabled:
        raise Conflict("The endpoint is disabled. Enable it first.")
    return endpoint


async def _get_delivery(session: ReadSession, endpoint_id: UUID, identifier: UUID) -> Delivery:
    delivery = await repository.find(session, endpoint_id, identifier)
    if delivery is None:
        raise NotFound("Delivery not found.")
    return delivery
