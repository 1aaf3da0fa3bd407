"""Flags by those concerned, decisions by moderators."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, and_

from millrace_platform.authentication import Principal
from millrace_platform.database import ReadSession
from millrace_platform.errors import Conflict
from millrace_platform.preconditions import Tags
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_reviews.access import is_not_there, may_flag
from millrace_reviews.moderation import repository
from millrace_reviews.moderation.model import Case
from millrace_reviews.moderation.repository import FLAGGED
from millrace_reviews.patient import repository as patients
from millrace_reviews.review import repository as reviews
from millrace_reviews.review.model import IllegalMoveError, Reason, Review, State
from millrace_reviews.review.repository import PUBLISHED
from millrace_reviews.review.tables import review as table
from millrace_reviews.summary.service import Summaries


class Queue(StrEnum):
    """What a moderator can look through."""

    PENDING = "pending"
    FLAGGED = "flagged"
    REJECTED = "rejected"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Cases:
    """Some cases of a queue; `next`, unless None, is the position of the page behind them."""

    items: list[Case]
    next: int | None


@dataclass(frozen=True, slots=True)
class Moderation:
    """Whether a caller is a moderator is asked at the edge; whose review it is never matters to one."""

    units: UnitsOfWork
    summaries: Summaries

    async def queue(self, queue: Queue, position: int | None, limit: int) -> Cases:
        """Oldest first."""
        async with self.units.database.read() as session:
            page = await reviews.oldest(session, _wanted(queue), position, limit)
            return Cases(await _cases(session, page.items), page.next)

    async def get(self, identifier: UUID) -> Case:
        """Problem: 404."""
        async with self.units.database.read() as session:
            return (await _cases(session, [_there(await reviews.find(session, identifier))]))[0]

    async def decide(
        self, caller: Principal, identifier: UUID, match: Tags, after: State, reason: Reason | None
    ) -> Case:
        """Settles the flags too. Problems: 404, 412, 409 where the review can't go there."""
        async with self.units.begin() as work:
            before = _there(await reviews.hold(work.session, identifier))
            match.require(before.version)
            try:
                standing = before.standing.decided(after, reason)
            except IllegalMoveError as error:
                raise Conflict(f"A review that is {error.before} can't become {error.after}.") from error
            await reviews.advance(work.session, before, standing, before.content, work.now)
            await repository.note(work.session, before, standing, caller.subject, work.now)
            await repository.clear_flags(work.session, identifier)
            await self.summaries.refresh(work, before.npi)
            return (await _cases(work.session, [_there(await reviews.find(work.session, identifier))]))[0]

    async def flag(self, caller: Principal, identifier: UUID, reason: Reason) -> None:
        """Have a moderator look. The review stays where it is meanwhile: nobody silences others by a click."""
        reporter = str(caller.subject)
        async with self.units.begin() as work:
            living = await patients.hold(work.session, [reporter])
            found = await reviews.find(work.session, identifier)
            if not living or found is None or not may_flag(caller, found):
                raise is_not_there()
            await repository.put_flag(work.session, identifier, reporter, reason, work.now)


def _wanted(queue: Queue) -> ColumnElement[bool]:
    if queue is Queue.FLAGGED:
        return and_(PUBLISHED, FLAGGED)
    return table.c.state == queue.value


async def _cases(session: ReadSession, found: list[Review]) -> list[Case]:
    flags = await repository.flags_of(session, [review.id for review in found])
    return [Case(review, flags.get(review.id, {})) for review in found]


def _there(found: Review | None) -> Review:
    if found is None:
        raise is_not_there()
    return found
