"""Operations of moderators on reviews, and flags by which readers report reviews to them."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_

from millrace_platform.audit.caller import Caller
from millrace_platform.audit.model import Action
from millrace_platform.audit.unit_of_work import UnitsOfWork
from millrace_platform.database import ReadSession
from millrace_platform.errors import Conflict
from millrace_platform.preconditions import Tags
from millrace_reviews.access import can_flag, record_access, review_not_found
from millrace_reviews.moderation import repository
from millrace_reviews.moderation.model import Case, CasePage, Queue
from millrace_reviews.moderation.repository import FLAGGED
from millrace_reviews.patient import repository as patients
from millrace_reviews.review import repository as reviews
from millrace_reviews.review.model import IllegalTransitionError, Reason, Review, State
from millrace_reviews.review.repository import PUBLISHED
from millrace_reviews.schema import review as table
from millrace_reviews.summary.service import Summaries


@dataclass(frozen=True, slots=True)
class Moderation:
    """Moderates reviews. Endpoints have already checked that the caller is a moderator."""

    units: UnitsOfWork
    summaries: Summaries

    async def list_cases(self, caller: Caller, queue: Queue, position: int | None, limit: int) -> CasePage:
        """Return a page of a queue, oldest first."""
        async with self.units.begin() as work:
            page = await reviews.list_page(work.session, _queue_condition(queue), position, limit, oldest_first=True)
            record_access(work, caller, Action.READ, *page.items)
            return CasePage(await _load_cases(work.session, page.items), page.next)

    async def get(self, caller: Caller, identifier: UUID) -> Case:
        """Return a review with its flags. Problems: 404 if it is unknown or withdrawn."""
        async with self.units.begin() as work:
            found = _require_review(await reviews.find(work.session, identifier))
            record_access(work, caller, Action.READ, found)
            return (await _load_cases(work.session, [found]))[0]

    async def decide(self, caller: Caller, identifier: UUID, match: Tags, after: State, reason: Reason | None) -> Case:
        """Apply a moderator's decision and delete the review's flags.

        Problems: 404 if it is unknown or withdrawn, 412 for another version, 409 for an impossible transition.
        """
        async with self.units.begin() as work:
            before = _require_review(await reviews.find_for_update(work.session, identifier))
            match.require(before.version)
            try:
                status = before.status.decide(after, reason)
            except IllegalTransitionError as error:
                raise Conflict(f"A {error.before} review cannot become {error.after}.") from error
            await reviews.save(work.session, before, status, before.content, work.now)
            await repository.add_decision(work.session, before, status, caller.principal.subject, work.now)
            await repository.delete_flags(work.session, identifier)
            await self.summaries.refresh(work, before.npi)
            record_access(work, caller, Action.UPDATE, before)
            return (await _load_cases(work.session, [_require_review(await reviews.find(work.session, identifier))]))[0]

    async def flag(self, caller: Caller, identifier: UUID, reason: Reason) -> None:
        """Flag a review for moderators. It stays published, so that a flag alone cannot silence it.

        Problems: 404 unless the caller may flag it.
        """
        reporter = str(caller.principal.subject)
        async with self.units.begin() as work:
            active = await patients.lock_active(work.session, [reporter])
            found = await reviews.find(work.session, identifier)
            if not active or found is None or not can_flag(caller.principal, found):
                raise review_not_found()
            await repository.save_flag(work.session, identifier, reporter, reason, work.now)
            record_access(work, caller, Action.UPDATE, found)


def _queue_condition(queue: Queue) -> ColumnElement[bool]:
    if queue is Queue.FLAGGED:
        return and_(PUBLISHED, FLAGGED)
    return table.c.state == queue.value


async def _load_cases(session: ReadSession, found: list[Review]) -> list[Case]:
    flags = await repository.count_flags(session, [review.id for review in found])
    return [Case(review, flags.get(review.id, {})) for review in found]


def _require_review(found: Review | None) -> Review:
    if found is None:
        raise review_not_found()
    return found
