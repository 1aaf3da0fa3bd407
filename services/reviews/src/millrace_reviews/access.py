"""Permissions on reviews. A caller without permission gets the same 404 as for an unknown review.

Authors manage their own reviews. Staff may read and reply to published reviews of visits to their practices. Support
and administrators moderate without seeing authors. Published reviews are public.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Depends

from millrace_platform.audit.caller import Caller, InCaller, purpose_missing
from millrace_platform.audit.model import Action, Purpose
from millrace_platform.audit.unit_of_work import UnitOfWork
from millrace_platform.authentication import Principal, Role, require
from millrace_platform.errors import NotFound
from millrace_reviews.review.model import Review

PatientCaller: TypeAlias = Annotated[Principal, Depends(require(Role.PATIENT))]
StaffCaller: TypeAlias = Annotated[Principal, Depends(require(Role.STAFF))]
StaffOrModeratorCaller: TypeAlias = Annotated[Principal, Depends(require(Role.STAFF, Role.SUPPORT, Role.ADMIN))]


def _require(*roles: Role) -> Callable[[Caller, Principal], Awaitable[Caller]]:
    """Create a dependency that returns the caller with a purpose, by default operations, if it has one of the roles.

    Problem: 422 for an administrator without a purpose, where administrators have a right.
    """

    async def required(caller: InCaller, principal: Annotated[Principal, Depends(require(*roles))]) -> Caller:
        if caller.purpose is None and Role.ADMIN in roles and principal.has(Role.ADMIN):
            raise purpose_missing()
        return Caller(principal, caller.purpose or Purpose.OPERATIONS)

    return required


ModeratorCaller: TypeAlias = Annotated[Caller, Depends(_require(Role.SUPPORT, Role.ADMIN))]
ReporterCaller: TypeAlias = Annotated[Caller, Depends(_require(Role.PATIENT, Role.STAFF))]
ReplyWriter: TypeAlias = Annotated[Caller, Depends(_require(Role.STAFF))]
ReplyRemover: TypeAlias = Annotated[Caller, Depends(_require(Role.STAFF, Role.SUPPORT, Role.ADMIN))]


def record_access(work: UnitOfWork, caller: Caller, action: Action, *reviews: Review) -> None:
    """Add entries for the access to reviews of others to the audit trail; those of erased patients have no author."""
    for each in reviews:
        if each.author_id is not None and not is_author(caller.principal, each):
            work.audit(caller.audit_entry(UUID(each.author_id), action, f"review/{each.id}"))


def is_author(caller: Principal, review: Review) -> bool:
    return review.author_id == str(caller.subject)


def works_for(caller: Principal, practice_id: str | None) -> bool:
    return caller.has(Role.STAFF) and practice_id is not None and practice_id in caller.practices


def can_reply(caller: Principal, review: Review) -> bool:
    """Return whether the review is published and the caller works for the practice of the visit."""
    return review.is_published and works_for(caller, review.practice_id)


def can_remove_reply(caller: Principal, review: Review) -> bool:
    return can_reply(caller, review) or (review.is_published and caller.has(Role.SUPPORT, Role.ADMIN))


def can_flag(caller: Principal, review: Review) -> bool:
    """Return whether the caller may flag a published review: patients any one, staff those of their practices."""
    return review.is_published and (caller.has(Role.PATIENT) or works_for(caller, review.practice_id))


def review_not_found() -> NotFound:
    return NotFound("There is no such review.")
