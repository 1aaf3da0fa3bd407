"""Operations of authors and readers on reviews. A change and the rating summary's event are one transaction."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_

from millrace_platform.audit.model import Link
from millrace_platform.audit.repository import list_links_of_person
from millrace_platform.authentication import Principal
from millrace_platform.errors import Conflict, FieldError, NotFound, Unprocessable
from millrace_platform.ids import Ids
from millrace_platform.preconditions import Tags
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_reviews.access import is_author, review_not_found, works_for
from millrace_reviews.moderation import repository as moderation
from millrace_reviews.patient import repository as patients
from millrace_reviews.reply import repository as replies
from millrace_reviews.review import repository
from millrace_reviews.review.model import Content, Review, ReviewStatus, State
from millrace_reviews.review.repository import PUBLISHED, ReviewPage
from millrace_reviews.review.screening import screen
from millrace_reviews.schema import review as table
from millrace_reviews.summary.service import Summaries
from millrace_reviews.visit import repository as visits
from millrace_reviews.visit.model import Obstacle, Visit, find_obstacle


@dataclass(frozen=True, slots=True)
class Reviews:
    """Creates, changes and lists reviews.

    Review ids (`ids`) must not be time-ordered, or the day of the visit could be inferred.
    """

    units: UnitsOfWork
    summaries: Summaries
    ids: Ids
    window: timedelta

    async def create(self, caller: Principal, appointment_id: UUID, content: Content) -> Review:
        """Create a review.

        Problems: 404 for another patient's appointment, 409 if the visit was reviewed, 422 unless the visit has begun
        and was completed at most `window` ago.
        """
        async with self.units.begin() as work:
            visit = await self._get_own_visit(work, caller, str(appointment_id))
            if not visit.has_begun(work.now):
                raise _not_reviewable("The visit hasn't begun.", "Review the visit after it took place.")
            self._check_window(visit.completed_at, work.now)
            status = ReviewStatus.submit(screen(content.text))
            identifier = self.ids()
            if not await repository.add(work.session, identifier, visit, status=status, content=content, now=work.now):
                raise Conflict(
                    "The visit was already reviewed. Change that review; a withdrawn review cannot be replaced."
                )
            return await self._refresh_and_reload(work, identifier, status)

    async def get(self, caller: Principal, identifier: UUID) -> Review:
        """Return a review of the caller. Problems: 404 for those of others."""
        async with self.units.database.read() as session:
            return _require_author(caller, await repository.find(session, identifier))

    async def replace(self, caller: Principal, identifier: UUID, match: Tags, content: Content) -> Review:
        """Replace a review; unchanged content keeps its version.

        Problems: 404 for reviews of others, 412 for another version, 422 if it is too late for changes.
        """
        async with self.units.begin() as work:
            before = await self._get_for_update(work, caller, identifier, match)
            if content == before.content:
                return before
            self._check_window(before.completed_at, work.now)
            status = before.status.revise(screen(content.text))
            await repository.save(work.session, before, status, content, work.now)
            return await self._refresh_and_reload(work, identifier, before.status, status)

    async def withdraw(self, caller: Principal, identifier: UUID, match: Tags) -> None:
        """Withdraw a review for good, and delete its text, reply and flags.

        Problems: 404 for reviews of others, 412 for another version.
        """
        async with self.units.begin() as work:
            before = await self._get_for_update(work, caller, identifier, match)
            content = replace(before.content, text=None)
            await repository.save(work.session, before, before.status.withdraw(), content, work.now)
            await replies.remove_all(work.session, [identifier], work.now)
            await moderation.delete_flags(work.session, identifier)
            await self._refresh_summary(work, before.npi, before.status)

    async def list_published(self, npi: str, position: int | None, limit: int) -> ReviewPage:
        """Return the published reviews of a provider, newest first."""
        async with self.units.database.read() as session:
            return await repository.list_page(session, and_(table.c.npi == npi, PUBLISHED), position, limit)

    async def list_own(self, caller: Principal, position: int | None, limit: int) -> ReviewPage:
        """Return the caller's reviews that are not withdrawn, newest first."""
        condition = and_(table.c.author_id == str(caller.subject), table.c.state != State.WITHDRAWN.value)
        async with self.units.database.read() as session:
            return await repository.list_page(session, condition, position, limit)

    async def list_accesses(self, caller: Principal, before: int | None, limit: int) -> list[Link]:
        """Return others' accesses to the caller's reviews, newest first."""
        async with self.units.database.read() as session:
            return await list_links_of_person(session, caller.subject, before=before, limit=limit)

    async def list_of_practice(
        self, caller: Principal, practice_id: UUID, position: int | None, limit: int
    ) -> ReviewPage:
        """Return the published reviews of visits to a practice, newest first.

        Problems: 404 unless the caller is staff of the practice.
        """
        if not works_for(caller, str(practice_id)):
            raise NotFound("There is no such practice.")
        async with self.units.database.read() as session:
            condition = and_(table.c.appointment_id.in_(visits.select_ids_of_practice(str(practice_id))), PUBLISHED)
            return await repository.list_page(session, condition, position, limit)

    async def _get_own_visit(self, work: UnitOfWork, caller: Principal, appointment_id: str) -> Visit:
        author = str(caller.subject)
        active = await patients.lock_active(work.session, [author])
        visit = await visits.find(work.session, appointment_id)
        if visit is None or not active or visit.patient_id != author:
            raise NotFound("You have no such appointment. A visit that was just completed can be reviewed in a moment.")
        return visit

    async def _get_for_update(self, work: UnitOfWork, caller: Principal, identifier: UUID, match: Tags) -> Review:
        found = _require_author(caller, await repository.find_for_update(work.session, identifier))
        match.require(found.version)
        return found

    def _check_window(self, completed_at: datetime | None, now: datetime) -> None:
        match find_obstacle(completed_at, now, self.window):
            case Obstacle.NOT_COMPLETED:
                raise _not_reviewable(
                    "The visit is not completed.", "Review the visit after the practice has completed it."
                )
            case Obstacle.TOO_LATE:
                days = self.window.total_seconds() / 86_400
                raise _not_reviewable(
                    f"The visit was completed more than {days:g} days ago.", f"Review visits within {days:g} days."
                )

    async def _refresh_and_reload(self, work: UnitOfWork, identifier: UUID, *statuses: ReviewStatus) -> Review:
        after = await repository.find(work.session, identifier)
        if after is None:
            raise review_not_found()
        await self._refresh_summary(work, after.npi, *statuses)
        return after

    async def _refresh_summary(self, work: UnitOfWork, npi: str, *statuses: ReviewStatus) -> None:
        """Refresh the provider's rating summary if the review is or was published."""
        if any(status.state is State.PUBLISHED for status in statuses):
            await self.summaries.refresh(work, npi)


def _require_author(caller: Principal, found: Review | None) -> Review:
    if found is None or not is_author(caller, found):
        raise review_not_found()
    return found


def _not_reviewable(detail: str, remedy: str) -> Unprocessable:
    return Unprocessable(errors=[FieldError(field="appointment_id", detail=detail, remedy=remedy)])
