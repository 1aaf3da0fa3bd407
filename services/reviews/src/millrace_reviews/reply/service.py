"""Operations on replies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from millrace_platform.audit.caller import Caller
from millrace_platform.audit.model import Action
from millrace_platform.audit.unit_of_work import UnitsOfWork
from millrace_platform.authentication import Principal
from millrace_platform.errors import NotFound, PreconditionRequired
from millrace_platform.preconditions import Tags
from millrace_reviews.access import can_remove_reply, can_reply, record_access, review_not_found
from millrace_reviews.reply import repository
from millrace_reviews.reply.repository import Reply
from millrace_reviews.review import repository as reviews
from millrace_reviews.review.model import Review

PermissionCheck: TypeAlias = Callable[[Principal, Review], bool]


@dataclass(frozen=True, slots=True)
class Replies:
    """Manages replies: each review can have one, by the practice of the visit. Callers without permission get a 404."""

    units: UnitsOfWork

    async def get(self, caller: Principal, review_id: UUID) -> Reply:
        async with self.units.database.read() as session:
            _require_permission(caller, await reviews.find(session, review_id), can_remove_reply)
            return _require_reply(await repository.find(session, review_id))

    async def put(self, caller: Caller, review_id: UUID, match: Tags | None, text: str) -> tuple[Reply, bool]:
        """Create or replace the reply; return it and whether it was created.

        Problems: 404 without permission, 412 if `match` does not contain the current version, 428 if there is a reply
        and `match` is None.
        """
        async with self.units.begin() as work:
            review = await reviews.find_for_update(work.session, review_id)
            review = _require_permission(caller.principal, review, can_reply)
            record_access(work, caller, Action.UPDATE, review)
            before = await repository.find(work.session, review_id)
            is_new = before is None or before.text is None
            if not is_new or match is not None:
                _require_match(match, before)
            if before is not None and before.text == text:
                return before, False
            after = Reply(1 if before is None else before.version + 1, text)
            await repository.save(work.session, review_id, after, work.now)
        return after, is_new

    async def remove(self, caller: Caller, review_id: UUID, match: Tags) -> None:
        """Delete the reply.

        Problems: 404 if there is none or without permission, 412 if `match` does not contain the current version.
        """
        async with self.units.begin() as work:
            review = await reviews.find_for_update(work.session, review_id)
            review = _require_permission(caller.principal, review, can_remove_reply)
            before = _require_reply(await repository.find(work.session, review_id))
            match.require(before.version)
            await repository.remove_all(work.session, [review_id], work.now)
            record_access(work, caller, Action.UPDATE, review)


def _require_permission(caller: Principal, found: Review | None, has_permission: PermissionCheck) -> Review:
    if found is None or not has_permission(caller, found):
        raise review_not_found()
    return found


def _require_reply(found: Reply | None) -> Reply:
    if found is None or found.text is None:
        raise NotFound("There is no reply to this review.")
    return found


def _require_match(match: Tags | None, before: Reply | None) -> None:
    if match is None:
        raise PreconditionRequired("There is a reply already. Get it and send its ETag as If-Match.")
    match.require(0 if before is None or before.text is None else before.version)
