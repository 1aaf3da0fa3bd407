"""Who may do what with a review, in one place. Whoever may not see something gets the answer of an unknown one: 404.

Authors have their own. Staff sees what is published of the practices they work for, and replies there. Support and
administrators moderate; they see no author. Everybody reads what is published.
"""

from typing import Annotated, TypeAlias

from fastapi import Depends

from millrace_platform.authentication import Principal, Role, require
from millrace_platform.errors import NotFound
from millrace_reviews.review.model import Review

Patient: TypeAlias = Annotated[Principal, Depends(require(Role.PATIENT))]
Staff: TypeAlias = Annotated[Principal, Depends(require(Role.STAFF))]
Moderator: TypeAlias = Annotated[Principal, Depends(require(Role.SUPPORT, Role.ADMIN))]
Reporter: TypeAlias = Annotated[Principal, Depends(require(Role.PATIENT, Role.STAFF))]
StaffOrModerator: TypeAlias = Annotated[Principal, Depends(require(Role.STAFF, Role.SUPPORT, Role.ADMIN))]


def is_author(caller: Principal, review: Review) -> bool:
    return review.author_id == str(caller.subject)


def works_for(caller: Principal, practice_id: str | None) -> bool:
    return caller.has(Role.STAFF) and practice_id is not None and practice_id in caller.practices


def may_reply(caller: Principal, review: Review) -> bool:
    """The practice of the visit answers what everybody reads."""
    return review.is_published and works_for(caller, review.practice_id)


def may_remove_reply(caller: Principal, review: Review) -> bool:
    return may_reply(caller, review) or (review.is_published and caller.has(Role.SUPPORT, Role.ADMIN))


def may_flag(caller: Principal, review: Review) -> bool:
    """Patients whatever is published, staff what concerns their practice."""
    return review.is_published and (caller.has(Role.PATIENT) or works_for(caller, review.practice_id))


def is_not_there() -> NotFound:
    return NotFound("There is no such review.")
