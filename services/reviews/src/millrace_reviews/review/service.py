"""Writing, changing and reading reviews. Each command is one transaction with its event."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import and_

from millrace_platform.authentication import Principal
from millrace_platform.errors import Conflict, FieldError, NotFound, Unprocessable
from millrace_platform.ids import Ids
from millrace_platform.preconditions import Tags
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_reviews.access import is_author, is_not_there, works_for
from millrace_reviews.moderation import repository as moderation
from millrace_reviews.patient import repository as patients
from millrace_reviews.reply import repository as replies
from millrace_reviews.review import repository
from millrace_reviews.review.model import Content, Review, Standing, State
from millrace_reviews.review.repository import PUBLISHED, Page
from millrace_reviews.review.screening import Finding, screen
from millrace_reviews.review.tables import review as table
from millrace_reviews.summary.service import Summaries
from millrace_reviews.visit import repository as visits
from millrace_reviews.visit.model import Obstacle, Visit, obstacle

Screen: TypeAlias = Callable[[str | None], frozenset[Finding]]


@dataclass(frozen=True, slots=True)
class Reviews:
    """`ids` must not tell when they were made: who was at the practice that day would be known by them."""

    units: UnitsOfWork
    summaries: Summaries
    ids: Ids
    window: timedelta
    screen: Screen = screen

    async def create(self, caller: Principal, appointment_id: UUID, content: Content) -> Review:
        """Problems: 404 for another's appointment, 422 where it can't be reviewed (yet, any more), 409 where it was."""
        async with self.units.begin() as work:
            visit = await self._own_visit(work, caller, str(appointment_id))
            self._check(visit.completed_at, work.now)
            standing = Standing.submitted(self.screen(content.text))
            identifier = self.ids()
            if not await repository.add(
                work.session, identifier, visit, standing=standing, content=content, now=work.now
            ):
                raise Conflict("There is a review of this visit already, or there was one. Change that one instead.")
            return await self._settled(work, identifier, standing)

    async def get(self, caller: Principal, identifier: UUID) -> Review:
        """For its author; 404 for others."""
        async with self.units.database.read() as session:
            return _own(caller, await repository.find(session, identifier))

    async def replace(self, caller: Principal, identifier: UUID, match: Tags, content: Content) -> Review:
        """What changes nothing keeps the version. Problems: 404, 412, 422 where the time for it is over."""
        async with self.units.begin() as work:
            before = await self._expected(work, caller, identifier, match)
            if content == before.content:
                return before
            self._check(before.completed_at, work.now)
            standing = before.standing.revised(self.screen(content.text))
            await repository.advance(work.session, before, standing, content, work.now)
            return await self._settled(work, identifier, before.standing, standing)

    async def withdraw(self, caller: Principal, identifier: UUID, match: Tags) -> None:
        """Its words are gone, and the reply's; the visit isn't reviewed again. Problems: 404, 412."""
        async with self.units.begin() as work:
            before = await self._expected(work, caller, identifier, match)
            content = replace(before.content, text=None)
            await repository.advance(work.session, before, before.standing.withdrawn(), content, work.now)
            await replies.remove_all(work.session, [identifier], work.now)
            await moderation.clear_flags(work.session, identifier)
            await self._follow(work, before.npi, before.standing)

    async def published(self, npi: str, position: int | None, limit: int) -> Page:
        """What everybody reads of a provider, newest first."""
        async with self.units.database.read() as session:
            return await repository.newest(session, and_(table.c.npi == npi, PUBLISHED), position, limit)

    async def own(self, caller: Principal, position: int | None, limit: int) -> Page:
        """The caller's, newest first."""
        wanted = and_(table.c.author_id == str(caller.subject), table.c.state != State.WITHDRAWN.value)
        async with self.units.database.read() as session:
            return await repository.newest(session, wanted, position, limit)

    async def of_practice(self, caller: Principal, practice_id: UUID, position: int | None, limit: int) -> Page:
        """What is published of visits to a practice, for its staff; 404 for others."""
        if not works_for(caller, str(practice_id)):
            raise NotFound("There is no such practice.")
        async with self.units.database.read() as session:
            wanted = and_(table.c.appointment_id.in_(visits.of_practice(str(practice_id))), PUBLISHED)
            return await repository.newest(session, wanted, position, limit)

    async def _own_visit(self, work: UnitOfWork, caller: Principal, appointment_id: str) -> Visit:
        author = str(caller.subject)
        living = await patients.hold(work.session, [author])
        visit = await visits.find(work.session, appointment_id)
        if visit is None or not living or visit.patient_id != author:
            raise NotFound("There is no such appointment of yours. One that ended just now is known here in a moment.")
        return visit

    async def _expected(self, work: UnitOfWork, caller: Principal, identifier: UUID, match: Tags) -> Review:
        found = _own(caller, await repository.hold(work.session, identifier))
        match.require(found.version)
        return found

    def _check(self, completed_at: datetime | None, now: datetime) -> None:
        match obstacle(completed_at, now, self.window):
            case Obstacle.NOT_COMPLETED:
                raise _not_reviewable("The visit isn't completed.", "Review it when the practice has closed the visit.")
            case Obstacle.TOO_LATE:
                days = self.window.total_seconds() / 86_400
                raise _not_reviewable(
                    f"The visit was completed more than {days:g} days ago.", "Review a visit while it is fresh."
                )

    async def _settled(self, work: UnitOfWork, identifier: UUID, *standings: Standing) -> Review:
        after = await repository.find(work.session, identifier)
        if after is None:
            raise is_not_there()
        await self._follow(work, after.npi, *standings)
        return after

    async def _follow(self, work: UnitOfWork, npi: str, *standings: Standing) -> None:
        """Only what is published counts, before or after."""
        if any(standing.state is State.PUBLISHED for standing in standings):
            await self.summaries.refresh(work, npi)


def _own(caller: Principal, found: Review | None) -> Review:
    if found is None or not is_author(caller, found):
        raise is_not_there()
    return found


def _not_reviewable(detail: str, remedy: str) -> Unprocessable:
    return Unprocessable(errors=[FieldError(field="appointment_id", detail=detail, remedy=remedy)])
