"""Permissions on reviews. A caller without permission gets the same 404 as for an unknown review.

Authors manage their own reviews. Staff may read and reply to published reviews of visits to their practices. Support
and administrators moderate without seeing authors. Published reviews are public.
"""

from typing import Annotated, TypeAlias

from fastapi import Depends

from millrace_platform.authentication import Principal, Role, require
from millrace_platform.errors import NotFound
from millrace_reviews.review.model import Review

PatientCaller: TypeAlias = Annotated[Principal, Depends(require(Role.PATIENT))]
StaffCaller: TypeAlias = Annotated[Principal, Depends(require(Role.STAFF))]
ModeratorCaller: TypeAlias = Annotated[Principal, Depends(require(Role.SUPPORT, Role.ADMIN))]
ReporterCaller: TypeAlias = Annotated[Principal, Depends(require(Role.PATIENT, Role.STAFF))]
StaffOrModeratorCaller: TypeAlias = Annotated[Principal, Depends(require(Role.STAFF, Role.SUPPORT, Role.ADMIN))]


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
