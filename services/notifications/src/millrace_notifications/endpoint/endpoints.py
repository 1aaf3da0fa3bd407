"""REST for webhook endpoints."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from millrace_notifications.dependencies import InNotifications, InStaff
from millrace_notifications.endpoint.model import Endpoint
from millrace_notifications.endpoint.schemas import (
    EndpointBody,
    EndpointResource,
    EndpointWithSecret,
    NewEndpointBody,
    RotationBody,
)
from millrace_notifications.http import CHANGE, LIST, POST, READ
from millrace_platform.authentication import Principal
from millrace_platform.errors import FieldError, NotFound, Unprocessable
from millrace_platform.pagination import Cursors, CursorText, Limit, next_link
from millrace_platform.preconditions import IfMatch, etag
from millrace_platform.resources import PageOf
from millrace_platform.responses import tagged

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
cursors = Cursors("webhooks", UUID)


@router.get("", summary="List webhook endpoints", responses=LIST)
async def index(
    *,
    request: Request,
    response: Response,
    notifications: InNotifications,
    staff: InStaff,
    practice_id: Annotated[UUID | None, Query(description="Only those of this practice.")] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> PageOf[EndpointResource]:
    """Those of the caller's practices, the oldest first."""
    filters = None if practice_id is None else str(practice_id)
    after = None if cursor is None else cursors.read(cursor, filters=filters)
    practices = staff.practices if filters is None else staff.practices & {filters}
    found = await notifications.endpoints.list(practices, after, limit + 1)
    following = cursors.write(found[limit - 1].id, filters=filters) if len(found) > limit else None
    if following is not None:
        response.headers["Link"] = next_link(request, following)
    return PageOf(items=[EndpointResource.of(each) for each in found[:limit]], next=following)


@router.post("", summary="Make a webhook endpoint", status_code=201, responses=POST)
async def create(
    request: Request, response: Response, notifications: InNotifications, staff: InStaff, body: NewEndpointBody
) -> EndpointWithSecret:
    """With its secret, which isn't shown again."""
    made = await notifications.endpoints.create(staff.practices, _practice(staff, body), body.wanted())
    response.headers["Location"] = f"{request.url.path}/{made.id}"
    return _with_secret(notifications, made, response)


@router.get("/{endpoint_id}", summary="Get a webhook endpoint", responses=READ)
async def get(
    response: Response, notifications: InNotifications, staff: InStaff, endpoint_id: UUID
) -> EndpointResource:
    """Without its secret."""
    return _shown(await notifications.endpoints.get(staff.practices, endpoint_id), response)


@router.put("/{endpoint_id}", summary="Change a webhook endpoint", responses=CHANGE)
async def replace(
    *,
    response: Response,
    notifications: InNotifications,
    staff: InStaff,
    endpoint_id: UUID,
    match: IfMatch,
    body: EndpointBody,
) -> EndpointResource:
    """With the whole state. What comes due while it is disabled is cancelled; `redeliver` fetches it later."""
    changed = await notifications.endpoints.change(staff.practices, endpoint_id, match, body.wanted())
    return _shown(changed, response)


@router.delete("/{endpoint_id}", summary="Delete a webhook endpoint", status_code=204, responses=CHANGE)
async def delete(notifications: InNotifications, staff: InStaff, endpoint_id: UUID, match: IfMatch) -> None:
    """With its deliveries and their log."""
    await notifications.endpoints.delete(staff.practices, endpoint_id, match)


@router.post("/{endpoint_id}/rotate-secret", summary="Make a new secret", responses=POST)
async def rotate_secret(
    *, response: Response, notifications: InNotifications, staff: InStaff, endpoint_id: UUID, body: RotationBody
) -> EndpointWithSecret:
    """The old one goes on signing beside the new one for the overlap; 0 ends it at once."""
    rotated = await notifications.endpoints.rotate(staff.practices, endpoint_id, body.overlap_time())
    return _with_secret(notifications, rotated, response)


def _practice(staff: Principal, body: NewEndpointBody) -> str:
    if body.practice_id is not None:
        return str(body.practice_id)
    if len(staff.practices) > 1:
        missing = FieldError(
            field="practice_id", detail="You work for several practices.", remedy="Say whose endpoint it is."
        )
        raise Unprocessable(errors=[missing])
    for only in staff.practices:
        return only
    raise NotFound("You work for no practice.")


def _shown(endpoint: Endpoint, response: Response) -> EndpointResource:
    response.headers["ETag"] = etag(endpoint.version)
    return EndpointResource.of(endpoint)


def _with_secret(notifications: InNotifications, endpoint: Endpoint, response: Response) -> EndpointWithSecret:
    response.headers.update(tagged(endpoint.version))
    return EndpointWithSecret.with_secret(endpoint, notifications.endpoints.secret_of(endpoint))
