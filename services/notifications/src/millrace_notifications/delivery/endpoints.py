"""REST for the deliveries of a webhook endpoint."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from millrace_notifications.delivery.model import State
from millrace_notifications.delivery.schemas import DeliveryResource, DeliveryWithAttempts, Redelivered, RedeliveryBody
from millrace_notifications.dependencies import InNotifications, InStaff
from millrace_notifications.http import POST, READ
from millrace_platform.pagination import Cursors, CursorText, Limit, next_link
from millrace_platform.resources import PageOf

router = APIRouter(prefix="/v1/webhooks/{endpoint_id}", tags=["webhooks"])
cursors = Cursors("deliveries", UUID)


@router.post("/ping", summary="Send a ping", status_code=202, responses=POST)
async def ping(notifications: InNotifications, staff: InStaff, endpoint_id: UUID) -> DeliveryResource:
    """A message of the type `ping`, delivered like any other."""
    return DeliveryResource.of(await notifications.deliveries.ping(staff.practices, endpoint_id))


@router.get("/deliveries", summary="List deliveries", responses=READ)
async def index(
    *,
    request: Request,
    response: Response,
    notifications: InNotifications,
    staff: InStaff,
    endpoint_id: UUID,
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> PageOf[DeliveryResource]:
    """The newest first, of the last 30 days."""
    filters = (str(endpoint_id), state)
    before = None if cursor is None else cursors.read(cursor, filters=filters)
    found = await notifications.deliveries.list(
        staff.practices, endpoint_id, state=state, before=before, limit=limit + 1
    )
    following = cursors.write(found[limit - 1].id, filters=filters) if len(found) > limit else None
    if following is not None:
        response.headers["Link"] = next_link(request, following)
    return PageOf(items=[DeliveryResource.of(each) for each in found[:limit]], next=following)


@router.get("/deliveries/{delivery_id}", summary="Get a delivery", responses=READ)
async def get(
    notifications: InNotifications, staff: InStaff, endpoint_id: UUID, delivery_id: UUID
) -> DeliveryWithAttempts:
    """With the log of its attempts."""
    found, attempts = await notifications.deliveries.get(staff.practices, endpoint_id, delivery_id)
    return DeliveryWithAttempts.with_log(found, attempts)


@router.post("/deliveries/{delivery_id}/redeliver", summary="Send a message again", status_code=202, responses=POST)
async def redeliver(
    notifications: InNotifications, staff: InStaff, endpoint_id: UUID, delivery_id: UUID
) -> DeliveryResource:
    """A new delivery of the same message, under the same `webhook-id`."""
    return DeliveryResource.of(await notifications.deliveries.redeliver(staff.practices, endpoint_id, delivery_id))


@router.post("/redeliver", summary="Send again what was missed", status_code=202, responses=POST)
async def redeliver_since(
    notifications: InNotifications, staff: InStaff, endpoint_id: UUID, body: RedeliveryBody
) -> Redelivered:
    """All messages since a time that didn't arrive, of the types that the endpoint is told of now."""
    count = await notifications.deliveries.redeliver_since(
        staff.practices, endpoint_id, body.since, delivered=body.delivered
    )
    return Redelivered(count=count)
