"""Commands and queries on webhook endpoints. Endpoints of other practices return 404."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.endpoint import repository
from millrace_notifications.endpoint.model import LIMIT, Endpoint, EndpointConfig, SecretRef, Secrets
from millrace_notifications.network.urls import UrlNotAllowedError, parse_target
from millrace_platform.database import Database, Session
from millrace_platform.errors import Conflict, FieldError, NotFound, Unprocessable
from millrace_platform.ids import Ids
from millrace_platform.preconditions import Tags

Practices = Collection[str]


@dataclass(frozen=True, slots=True)
class EndpointService:
    """Commands and queries on endpoints.

    Each command commits before it returns. `loopback` also allows URLs on this machine.
    """

    database: Database
    secrets: Secrets
    loopback: bool
    clock: Clock
    ids: Ids

    async def list(self, practices: Practices, after: UUID | None, limit: int) -> Sequence[Endpoint]:
        """Return up to `limit` endpoints whose id is greater than `after`, oldest first."""
        async with self.database.read() as session:
            return await repository.list_page(session, practices, after, limit)

    async def get(self, practices: Practices, identifier: UUID) -> Endpoint:
        """Return an endpoint. Problems: 404."""
        async with self.database.read() as session:
            return await repository.get(session, identifier, practices)

    async def create(self, practices: Practices, practice_id: str, config: EndpointConfig) -> Endpoint:
        """Create an endpoint. Problems: 404 for another practice, 409 beyond the limit, 422 for a forbidden URL."""
        if practice_id not in practices:
            raise NotFound("Practice not found.")
        self._check_url(config.url)
        endpoint = Endpoint(
            id=self.ids(),
            practice_id=practice_id,
            version=1,
            url=config.url,
            description=config.description,
            events=config.events,
            secret=SecretRef(self.secrets.current, 1),
            created_at=utc_now(self.clock),
            disabled_reason=None if config.enabled else "by_practice",
        )
        async with self.database.transaction() as session:
            if await repository.lock_and_count(session, practice_id) >= LIMIT:
                raise Conflict(f"The practice has reached the limit of {LIMIT} endpoints. Delete one first.")
            await repository.insert_endpoint(session, endpoint)
        return endpoint

    async def update(self, practices: Practices, identifier: UUID, match: Tags, config: EndpointConfig) -> Endpoint:
        """Replace the configuration. The version increases only if it changes. Problems: 404, 412, 422."""
        self._check_url(config.url)
        async with self.database.transaction() as session:
            before = await self._lock(session, practices, identifier, match)
            after = before.with_config(config)
            return before if after == before else await repository.update(session, after)

    async def rotate_secret(self, practices: Practices, identifier: UUID, overlap: timedelta) -> Endpoint:
        """Create a new secret; the old one also signs for the overlap. Problems: 404."""
        async with self.database.transaction() as session:
            before = await self._lock(session, practices, identifier)
            after = before.with_new_secret(self.secrets.current, overlap, utc_now(self.clock))
            return await repository.update(session, after)

    async def delete(self, practices: Practices, identifier: UUID, match: Tags) -> None:
        """Delete an endpoint and its deliveries. Problems: 404, 412."""
        async with self.database.transaction() as session:
            await self._lock(session, practices, identifier, match)
            await repository.delete(session, identifier)

    def encode_secret(self, endpoint: Endpoint) -> str:
        """Return the current secret as practices receive it."""
        return self.secrets.encode(endpoint.id, endpoint.secret)

    async def _lock(
        self, session: Session, practices: Practices, identifier: UUID, match: Tags | None = None
    ) -> Endpoint:
        endpoint = await repository.get_for_update(session, identifier, practices)
        if match is not None:
            match.require(endpoint.version)
        return endpoint

    def _check_url(self, url: str) -> None:
        try:
            parse_target(url, loopback=self.loopback)
        except UrlNotAllowedError as error:
            invalid = FieldError(field="url", detail=str(error), remedy=error.remedy)
            raise Unprocessable(errors=[invalid]) from error
