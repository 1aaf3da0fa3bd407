"""The log of deliveries, and sending again. Others' endpoints are as ones that aren't there: 404."""

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
    """Each method commits before it returns."""

    database: Database
    clock: Clock
    ids: Ids

    async def list(
        self, practices: Practices, endpoint_id: UUID, *, state: State | None, before: UUID | None, limit: int
    ) -> Sequence[Delivery]:
        """The newest first. Problems: 404."""
        async with self.database.read() as session:
            await _endpoint(session, practices, endpoint_id)
            return await repository.page(session, endpoint_id, state=state, before=before, limit=limit)

    async def get(
        self, practices: Practices, endpoint_id: UUID, identifier: UUID
    ) -> tuple[Delivery, Sequence[Attempt]]:
        """With all attempts, the oldest first. Problems: 404."""
        async with self.database.read() as session:
            await _endpoint(session, practices, endpoint_id)
            found = await _delivery(session, endpoint_id, identifier)
            return found, await repository.attempts_of(session, identifier)

    async def ping(self, practices: Practices, endpoint_id: UUID) -> Delivery:
        """Problems: 404, 409 while the endpoint is disabled."""
        identifier, now = self.ids(), utc_now(self.clock)
        async with self.database.transaction() as session:
            endpoint = await _enabled(session, practices, endpoint_id)
            body = ping_body(endpoint.id, endpoint.practice_id, now)
            message = Message(identifier, endpoint.practice_id, PING, f"ping/{identifier}", 1, body, now)
            await repository.add_messages(session, [message])
            (made,) = await repository.add(session, [(endpoint.id, identifier)], self.ids, now)
            return await _delivery(session, endpoint.id, made)

    async def redeliver(self, practices: Practices, endpoint_id: UUID, identifier: UUID) -> Delivery:
        """The message of a delivery once more, under its own id. Problems: 404, 409 while it is disabled."""
        async with self.database.transaction() as session:
            await _enabled(session, practices, endpoint_id)
            before = await _delivery(session, endpoint_id, identifier)
            now = utc_now(self.clock)
            (made,) = await repository.add(session, [(endpoint_id, before.message_id)], self.ids, now)
            return await _delivery(session, endpoint_id, made)

    async def redeliver_since(
        self, practices: Practices, endpoint_id: UUID, since: datetime, *, delivered: bool
    ) -> int:
        """What the endpoint missed since then (with `delivered`: all), up to `REDELIVER_LIMIT`; how many that is.

        Problems as `redeliver`.
        """
        async with self.database.transaction() as session:
            endpoint = await _enabled(session, practices, endpoint_id)
            messages = await repository.missed(
                session,
                endpoint_id=endpoint.id,
                practice=endpoint.practice_id,
                kinds=[event.value for event in endpoint.events],
                since=since,
                delivered=delivered,
            )
            deliveries = [(endpoint.id, message) for message in messages]
            made = await repository.add(session, deliveries, self.ids, utc_now(self.clock))
        return len(made)


async def _endpoint(session: ReadSession, practices: Practices, identifier: UUID) -> Endpoint:
    return _there(await endpoints.find(session, identifier, practices))


async def _enabled(session: Session, practices: Practices, identifier: UUID) -> Endpoint:
    found = _there(await endpoints.locked(session, identifier, practices))
    if found.disabled is not None:
        raise Conflict("The endpoint is disabled. Enable it first.")
    return found


def _there(found: Endpoint | None) -> Endpoint:
    if found is None:
        raise NotFound("There is no such webhook endpoint.")
    return found


async def _delivery(session: ReadSession, endpoint_id: UUID, identifier: UUID) -> Delivery:
    found = await repository.find(session, endpoint_id, identifier)
    if found is None:
        raise NotFound("There is no such delivery.")
    return found
