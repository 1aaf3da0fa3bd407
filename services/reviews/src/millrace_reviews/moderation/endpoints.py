"""REST for moderation."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from millrace_platform.openapi import problems
from millrace_platform.preconditions import IfMatch
from millrace_platform.responses import NO_STORE, tagged
from millrace_reviews.access import Moderator, Reporter
from millrace_reviews.dependencies import InApp
from millrace_reviews.http import ROLE_CHANGE, ROLE_LIST, ROLE_READ, Paged
from millrace_reviews.moderation.model import Case
from millrace_reviews.moderation.schemas import CaseResource, Cases, DecisionBody, FlagBody
from millrace_reviews.moderation.service import Queue
from millrace_reviews.review.model import State

router = APIRouter(prefix="/v1/reviews", tags=["moderation"])


@router.get("/moderation", summary="List reviews to be moderated", responses=ROLE_LIST)
async def queue(
    *,
    app: InApp,
    caller: Moderator,  # noqa: ARG001 # asked for its role only
    paging: Paged,
    response: Response,
    queue: Annotated[Queue, Query(description="`flagged` are published ones.")] = Queue.PENDING,
) -> Cases:
    """For support and administrators; oldest first."""
    page = await app.moderation.queue(queue, paging.position(queue=queue), paging.limit)
    response.headers.update(NO_STORE)
    following = paging.follow(response, page.next, queue=queue)
    return Cases(items=[CaseResource.of_case(case) for case in page.items], next=following)


@router.get("/{review_id:uuid}/moderation", summary="Get a review to be moderated", responses=ROLE_READ)
async def get(
    app: InApp,
    caller: Moderator,  # noqa: ARG001 # asked for its role only
    review_id: UUID,
    response: Response,
) -> CaseResource:
    """For support and administrators."""
    return _shown(await app.moderation.get(review_id), response)


@router.put("/{review_id:uuid}/moderation", summary="Decide on a review", responses={**ROLE_CHANGE, **problems(409)})
async def decide(
    *, app: InApp, caller: Moderator, review_id: UUID, match: IfMatch, body: DecisionBody, response: Response
) -> CaseResource:
    """For support and administrators. Pending ones are published or rejected, published ones hidden; 409 for what a
    review can't become."""
    case = await app.moderation.decide(caller, review_id, match, State(body.state), body.reason)
    return _shown(case, response)


@router.put(
    "/{review_id:uuid}/flag", summary="Flag a review", status_code=204, responses=problems(401, 403, 404, 415, 422)
)
async def flag(app: InApp, caller: Reporter, review_id: UUID, body: FlagBody) -> None:
    """For patients, and for staff of the visit's practice. A moderator looks at it; it stays published meanwhile."""
    await app.moderation.flag(caller, review_id, body.reason)


def _shown(case: Case, response: Response) -> CaseResource:
    response.headers.update(tagged(case.review.version))
    return CaseResource.of_case(case)
