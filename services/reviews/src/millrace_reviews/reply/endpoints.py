"""REST API of replies."""

from uuid import UUID

from fastapi import APIRouter, Response

from millrace_platform.preconditions import IfMatch, OptionalIfMatch
from millrace_platform.responses import etag_headers
from millrace_reviews.access import ReplyRemover, ReplyWriter, StaffOrModeratorCaller
from millrace_reviews.dependencies import InApp
from millrace_reviews.http import ROLE_CHANGE, ROLE_READ, ROLE_REMOVE
from millrace_reviews.reply.repository import Reply
from millrace_reviews.reply.schemas import ReplyBody, ReplyResource

router = APIRouter(prefix="/v1/reviews/{review_id:uuid}/reply", tags=["replies"])


@router.get("", summary="Get the reply to a review", responses=ROLE_READ)
async def get_reply(app: InApp, caller: StaffOrModeratorCaller, review_id: UUID, response: Response) -> ReplyResource:
    """Return the reply with its ETag. Accessible to staff of the visit's practice and moderators."""
    return _respond(await app.replies.get(caller, review_id), response)


@router.put(
    "", summary="Create or replace the reply to a review", responses={201: {"description": "Created."}, **ROLE_CHANGE}
)
async def put_reply(
    *, app: InApp, caller: ReplyWriter, review_id: UUID, match: OptionalIfMatch, body: ReplyBody, response: Response
) -> ReplyResource:
    """Create or replace the reply to a published review; replacing requires `If-Match`.

    Accessible to staff of the visit's practice.
    """
    reply, is_new = await app.replies.put(caller, review_id, match, body.text)
    response.status_code = 201 if is_new else 200
    return _respond(reply, response)


@router.delete("", summary="Delete the reply to a review", status_code=204, responses=ROLE_REMOVE)
async def remove_reply(app: InApp, caller: ReplyRemover, review_id: UUID, match: IfMatch) -> None:
    """Delete the reply to a review. Accessible to staff of the visit's practice and moderators."""
    await app.replies.remove(caller, review_id, match)


def _respond(reply: Reply, response: Response) -> ReplyResource:
    response.headers.update(etag_headers(reply.version))
    return ReplyResource(text=reply.text or "", version=reply.version)
