"""REST for replies."""

from uuid import UUID

from fastapi import APIRouter, Response

from millrace_platform.preconditions import IfMatch, OptionalIfMatch
from millrace_platform.responses import tagged
from millrace_reviews.access import Staff, StaffOrModerator
from millrace_reviews.dependencies import InApp
from millrace_reviews.http import ROLE_CHANGE, ROLE_READ, ROLE_REMOVE
from millrace_reviews.reply.repository import Reply
from millrace_reviews.reply.schemas import ReplyBody, ReplyResource

router = APIRouter(prefix="/v1/reviews/{review_id:uuid}/reply", tags=["replies"])


@router.get("", summary="Get the reply to a review", responses=ROLE_READ)
async def get(app: InApp, caller: StaffOrModerator, review_id: UUID, response: Response) -> ReplyResource:
    """For staff of the visit's practice and for moderators; with the ETag that a change needs."""
    return _shown(await app.replies.get(caller, review_id), response)


@router.put(
    "", summary="Make or replace the reply to a review", responses={201: {"description": "It is new."}, **ROLE_CHANGE}
)
async def put(
    *, app: InApp, caller: Staff, review_id: UUID, match: OptionalIfMatch, body: ReplyBody, response: Response
) -> ReplyResource:
    """For staff of the visit's practice, to a published review. A new one needs no `If-Match`, a change does."""
    reply, is_new = await app.replies.put(caller, review_id, match, body.text)
    response.status_code = 201 if is_new else 200
    return _shown(reply, response)


@router.delete("", summary="Take back the reply to a review", status_code=204, responses=ROLE_REMOVE)
async def remove(app: InApp, caller: StaffOrModerator, review_id: UUID, match: IfMatch) -> None:
    """For staff of the visit's practice and for moderators."""
    await app.replies.remove(caller, review_id, match)


def _shown(reply: Reply, response: Response) -> ReplyResource:
    response.headers.update(tagged(reply.version))
    return ReplyResource(text=reply.text or "", version=reply.version)
