"""Answering reviews."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from millrace_platform.authentication import Principal
from millrace_platform.errors import NotFound, PreconditionRequired
from millrace_platform.preconditions import Tags
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_reviews.access import is_not_there, may_remove_reply, may_reply
from millrace_reviews.reply import repository
from millrace_reviews.reply.repository import Reply
from millrace_reviews.review import repository as reviews
from millrace_reviews.review.model import Review

May: TypeAlias = Callable[[Principal, Review], bool]


@dataclass(frozen=True, slots=True)
class Replies:
    """One reply a review, by the practice of the visit. What the caller may not see is as if it weren't there: 404."""

    units: UnitsOfWork

    async def get(self, caller: Principal, review_id: UUID) -> Reply:
        async with self.units.database.read() as session:
            _check(caller, await reviews.find(session, review_id), may_remove_reply)
            return _there(await repository.find(session, review_id))

    async def put(self, caller: Principal, review_id: UUID, match: Tags | None, text: str) -> tuple[Reply, bool]:
        """The reply, and whether it is new. Problems: 404, 428 where there is one and no `match`, 412."""
        async with self.units.begin() as work:
            _check(caller, await reviews.hold(work.session, review_id), may_reply)
            before = await repository.find(work.session, review_id)
            is_new = before is None or before.text is None
            if not is_new or match is not None:
                _require(match, before)
            if before is not None and before.text == text:
                return before, False
            after = Reply(1 if before is None else before.version + 1, text)
            await repository.put(work.session, review_id, after, work.now)
        return after, is_new

    async def remove(self, caller: Principal, review_id: UUID, match: Tags) -> None:
        """Problems: 404, 412."""
        async with self.units.begin() as work:
            _check(caller, await reviews.hold(work.session, review_id), may_remove_reply)
            before = _there(await repository.find(work.session, review_id))
            match.require(before.version)
            await repository.remove_all(work.session, [review_id], work.now)


def _check(caller: Principal, found: Review | None, may: May) -> None:
    if found is None or not may(caller, found):
        raise is_not_there()


def _there(found: Reply | None) -> Reply:
    if found is None or found.text is None:
        raise NotFound("There is no reply to this review.")
    return found


def _require(match: Tags | None, before: Reply | None) -> None:
    if match is None:
        raise PreconditionRequired("There is a reply. Read it and send its ETag as If-Match.")
    match.require(0 if before is None or before.text is None else before.version)
