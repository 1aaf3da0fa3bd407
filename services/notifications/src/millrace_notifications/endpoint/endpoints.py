"""REST API of webhook endpoints."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from millrace_notifications.dependencies import CHANGE, LIST, POST, READ, InNotifications, InStaff
from millrace_notifications.endpoint.model import Endpoint
from millrace_notifications.endpoint.schemas import (
    EndpointBody,
    EndpointResource,
    EndpointWithSecret,
    NewEndpointBody,
    RotationBody,
)
from millrace_platform.authentication import Principal
from millrace_platform.errors import FieldError, NotFound, Unprocessable
from millrace_platform.pagination import Cursors, CursorText, Limit, next_link
from millrace_platform.preconditions import IfMatch, etag
from millrace_platform.resources import PageOf
from millrace_platform.responses import etag_headers

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
cursors = Cursors("webhooks", UUID)


@router.get("", summary="List webhook endpoints", responses=LIST)
async def list_webhooks(
    *,
    request: Request,
    response: Response,
    notifications: InNotifications,
    staff: InStaff,
    practice_id: Annotated[UUID | None, Query(description="Only endpoints of this practice.")] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> PageOf[EndpointResource]:
    """Return the endpoints of the caller's practices, oldest first. `Link` leads to the next page."""
    filters = None if practice_id is None else str(practice_id)
    after = None if cursor is None else cursors.read(cursor, filters=filters)
    practices = staff.practices if filters is None else staff.practices & {filters}
    endpoints = await notifications.endpoints.list(practices, after, limit + 1)
    next_cursor = cursors.write(endpoints[limit - 1].id, filters=filters) if len(endpoints) > limit else None
    if next_cursor is not None:
        response.headers["Link"] = next_link(request, next_cursor)
    return PageOf(items=[EndpointResource.of(each) for each in endpoints[:limit]], next=next_cursor)


@router.post("", summary="Create a webhook endpoint", status_code=201, responses=POST)
async def create_webhook(
    request: Request, response: Response, notifications: InNotifications, staff: InStaff, body: NewEndpointBody
) -> EndpointWithSecret:
    """Create an endpoint. The response contains its secret, which isn't shown again."""
    endpoint = await notifications.endpoints.create(staff.practices, _select_practice(staff, body), body.config())
    response.headers["Location"] = f"{request.url.path}/{endpoint.id}"
    return _respond_with_secret(notifications, endpoint, response)


@router.get("/{endpoint_id}", summary="Get a webhook endpoint", responses=READ)
async def get_webhook(
    response: Response, notifications: InNotifications, staff: InStaff, endpoint_id: UUID
) -> EndpointResource:
    """Return an endpoint without its secret."""
    return _respond(await notifications.endpoints.get(staff.practices, endpoint_id), response)


@router.put("/{endpoint_id}", summary="Update a webhook endpoint", responses=CHANGE)
async def replace_webhook(
    *,
    response: Response,
    notifications: InNotifications,
    staff: InStaff,
    endpoint_id: UUID,
    match: IfMatch,
    body: EndpointBody,
) -> EndpointResource:
    """Replace the configuration.

    Deliveries due while the endpoint is disabled are canceled; `redeliver` sends them later.
    """
    endpoint = await notifications.endpoints.update(staff.practices, endpoint_id, match, body.config())
    return _respond(endpoint, response)


@router.delete("/{endpoint_id}", summary="Delete a webhook endpoint", status_code=204, responses=CHANGE)
async def delete_webhook(notifications: InNotifications, staff: InStaff, endpoint_id: UUID, match: IfMatch) -> None:
    """Delete an endpoint with its deliveries and their log."""
    await notifications.endpoints.delete(staff.practices, endpoint_id, match)


@router.post("/{endpoint_id}/rotate-secret", summary="Rotate the secret", responses=POST)
async def rotate_webhook_secret(
    *, response: Response, notifications: InNotifications, staff: InStaff, endpoint_id: UUID, body: RotationBody
) -> EndpointWithSecret:
    """Create a new secret. Messages are also signed with the old one for `overlap` seconds; 0 stops that at once."""
    endpoint = await notifications.endpoints.rotate_secret(staff.practices, endpoint_id, body.overlap_duration())
    return _respond_with_secret(notifications, endpoint, response)


def _select_practice(staff: Principal, body: NewEndpointBody) -> str:
    if body.practice_id is not None:
        return str(body.practice_id)
    if len(staff.practices) > 1:
        missing = FieldError(
            field="practice_id", detail="You work for several practices.", remedy="Send the id of one of them."
        )
        raise Unprocessable(errors=[missing])
    for only in staff.practices:
        return only
    raise NotFound("You don't work for any practice. Ask an administrator to add you to one.")


def _respond(endpoint: Endpoint, response: Response) -> EndpointResource:
    response.headers["ETag"] = etag(endpoint.version)
    return EndpointResource.of(endpoint)


def _respond_with_secret(notifications: InNotifications, endpoint: Endpoint, response: Response) -> EndpointWithSecret:
    response.headers.update(etag_headers(endpoint.version))
    return EndpointWithSecret.with_secret(endpoint, notifications.endpoints.encode_secret(endpoint))
