"""REST API of moderation."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from millrace_platform.openapi import problems
from millrace_platform.preconditions import IfMatch
from millrace_platform.responses import NO_STORE, etag_headers
from millrace_reviews.access import ModeratorCaller, ReporterCaller
from millrace_reviews.dependencies import InApp
from millrace_reviews.http import ROLE_CHANGE, ROLE_LIST, ROLE_READ, InPagination
from millrace_reviews.moderation.model import Case, Queue
from millrace_reviews.moderation.schemas import CaseList, CaseResource, DecisionBody, FlagBody
from millrace_reviews.review.model import State

router = APIRouter(prefix="/v1/reviews", tags=["moderation"])


@router.get("/moderation", summary="List reviews for moderation", responses=ROLE_LIST)
async def list_moderation_cases(
    *,
    app: InApp,
    caller: ModeratorCaller,
    pagination: InPagination,
    response: Response,
    queue: Annotated[Queue, Query(description="`flagged` lists published reviews with flags.")] = Queue.PENDING,
) -> CaseList:
    """Return the reviews in a queue, oldest first. Accessible to support and administrators."""
    page = await app.moderation.list_cases(caller, queue, pagination.position(queue=queue), pagination.limit)
    response.headers.update(NO_STORE)
    next_cursor = pagination.next_cursor(response, page.next, queue=queue)
    return CaseList(items=[CaseResource.of_case(case) for case in page.items], next=next_cursor)


@router.get("/{review_id:uuid}/moderation", summary="Get a review for moderation", responses=ROLE_READ)
async def get_moderation_case(
    app: InApp,
    caller: ModeratorCaller,
    review_id: UUID,
    response: Response,
) -> CaseResource:
    """Return a review with its flags and findings. Accessible to support and administrators."""
    return _respond(await app.moderation.get(caller, review_id), response)


@router.put("/{review_id:uuid}/moderation", summary="Decide on a review", responses={**ROLE_CHANGE, **problems(409)})
async def decide_review(
    *, app: InApp, caller: ModeratorCaller, review_id: UUID, match: IfMatch, body: DecisionBody, response: Response
) -> CaseResource:
    """Publish or reject a pending review, hide a published one, or publish a hidden or rejected one.

    Accessible to support and administrators. 409 for other transitions.
    """
    case = await app.moderation.decide(caller, review_id, match, State(body.state), body.reason)
    return _respond(case, response)


@router.put(
    "/{review_id:uuid}/flag", summary="Flag a review", status_code=204, responses=problems(401, 403, 404, 415, 422)
)
async def flag_review(app: InApp, caller: ReporterCaller, review_id: UUID, body: FlagBody) -> None:
    """Flag a published review for a moderator; it stays published.

    Accessible to patients and staff of the visit's practice.
    """
    await app.moderation.flag(caller, review_id, body.reason)


def _respond(case: Case, response: Response) -> CaseResource:
    response.headers.update(etag_headers(case.review.version))
    return CaseResource.of_case(case)
