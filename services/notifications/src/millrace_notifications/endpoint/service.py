"""Commands on endpoints. Those of practices that the caller doesn't work for are as ones that aren't there: 404."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.endpoint import repository
from millrace_notifications.endpoint.model import LIMIT, Endpoint, EventType, SecretPlace, Secrets
from millrace_notifications.network.urls import UrlRefusedError, target_of
from millrace_platform.database import Database, Session
from millrace_platform.errors import Conflict, FieldError, NotFound, Unprocessable
from millrace_platform.ids import Ids
from millrace_platform.preconditions import Tags

Practices = Collection[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a practice says of an endpoint."""

    url: str
    description: str | None
    events: tuple[EventType, ...]
    enabled: bool


@dataclass(frozen=True, slots=True)
class EndpointService:
    """Each method commits before it returns. `loopback` as in `target_of`."""

    database: Database
    secrets: Secrets
    loopback: bool
    clock: Clock
    ids: Ids

    async def list(self, practices: Practices, after: UUID | None, limit: int) -> Sequence[Endpoint]:
        async with self.database.read() as session:
            return await repository.page(session, practices, after, limit)

    async def get(self, practices: Practices, identifier: UUID) -> Endpoint:
        """Problems: 404."""
        async with self.database.read() as session:
            found = await repository.find(session, identifier, practices)
        return _there(found)

    async def create(self, practices: Practices, practice: str, wanted: Wanted) -> Endpoint:
        """Problems: 404 for another's practice; 409 beyond the limit; 422 for an address that can't be."""
        if practice not in practices:
            raise NotFound("There is no such practice.")
        self._check(wanted.url)
        made = Endpoint(
            id=self.ids(),
            practice_id=practice,
            version=1,
            url=wanted.url,
            description=wanted.description,
            events=wanted.events,
            secret=SecretPlace(self.secrets.current, 1),
            created_at=utc_now(self.clock),
            disabled=None if wanted.enabled else "by_practice",
        )
        async with self.database.transaction() as session:
            if await repository.count(session, practice) >= LIMIT:
                raise Conflict(f"A practice has at most {LIMIT} endpoints. Delete one first.")
            await repository.add(session, made)
        return made

    async def change(self, practices: Practices, identifier: UUID, match: Tags, wanted: Wanted) -> Endpoint:
        """What changes nothing keeps the version. Problems: 404, 412, 422."""
        self._check(wanted.url)
        async with self.database.transaction() as session:
            before = await self._locked(session, practices, identifier, match)
            after = before.changed(
                url=wanted.url, description=wanted.description, events=wanted.events, enabled=wanted.enabled
            )
            return before if after == before else await self._replace(session, after)

    async def rotate(self, practices: Practices, identifier: UUID, overlap: timedelta) -> Endpoint:
        """A new secret; the old one goes on signing for the overlap. Problems: 404."""
        async with self.database.transaction() as session:
            before = await self._locked(session, practices, identifier)
            return await self._replace(session, before.rotated(self.secrets.current, overlap, utc_now(self.clock)))

    async def delete(self, practices: Practices, identifier: UUID, match: Tags) -> None:
        """With its deliveries. Problems: 404, 412."""
        async with self.database.transaction() as session:
            await self._locked(session, practices, identifier, match)
            await repository.remove(session, identifier)

    def secret_of(self, endpoint: Endpoint) -> str:
        """The newest secret, as its practice gets it once."""
        return self.secrets.shown(endpoint.id, endpoint.secret)

    async def _locked(
        self, session: Session, practices: Practices, identifier: UUID, match: Tags | None = None
    ) -> Endpoint:
        found = _there(await repository.locked(session, identifier, practices))
        if match is not None:
            match.require(found.version)
        return found

    async def _replace(self, session: Session, after: Endpoint) -> Endpoint:
        written = replace(after, version=after.version + 1)
        await repository.replace(session, written)
        return written

    def _check(self, url: str) -> None:
        try:
            target_of(url, loopback=self.loopback)
        except UrlRefusedError as error:
            wrong = FieldError(field="url", detail=str(error), remedy=error.remedy)
            raise Unprocessable(errors=[wrong]) from error


def _there(found: Endpoint | None) -> Endpoint:
    if found is None:
        raise NotFound("There is no such webhook endpoint.")
    return found
