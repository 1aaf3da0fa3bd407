"""REST API of the deliveries of a webhook endpoint."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from millrace_notifications.delivery.model import State
from millrace_notifications.delivery.schemas import (
    DeliveryResource,
    DeliveryWithAttempts,
    RedeliveryBody,
    RedeliveryCount,
)
from millrace_notifications.dependencies import POST, READ, InNotifications, InStaff
from millrace_platform.pagination import Cursors, CursorText, Limit, next_link
from millrace_platform.resources import PageOf

router = APIRouter(prefix="/v1/webhooks/{endpoint_id}", tags=["webhooks"])
cursors = Cursors("deliveries", UUID)


@router.post("/ping", summary="Send a ping", status_code=202, responses=POST)
async def ping_webhook(notifications: InNotifications, staff: InStaff, endpoint_id: UUID) -> DeliveryResource:
    """Send a message of type `ping`. It is delivered and logged like any other message."""
    return DeliveryResource.of(await notifications.deliveries.ping(staff.practices, endpoint_id))


@router.get("/deliveries", summary="List deliveries", responses=READ)
async def list_webhook_deliveries(
    *,
    request: Request,
    response: Response,
    notifications: InNotifications,
    staff: InStaff,
    endpoint_id: UUID,
    state: Annotated[State | None, Query(description="Only deliveries in this state.")] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> PageOf[DeliveryResource]:
    """Return the deliveries of the last 30 days, newest first. `Link` leads to the next page."""
    filters = (str(endpoint_id), state)
    before = None if cursor is None else cursors.read(cursor, filters=filters)
    deliveries = await notifications.deliveries.list(
        staff.practices, endpoint_id, state=state, before=before, limit=limit + 1
    )
    next_cursor = cursors.write(deliveries[limit - 1].id, filters=filters) if len(deliveries) > limit else None
    if next_cursor is not None:
        response.headers["Link"] = next_link(request, next_cursor)
    return PageOf(items=[DeliveryResource.of(each) for each in deliveries[:limit]], next=next_cursor)


@router.get("/deliveries/{delivery_id}", summary="Get a delivery", responses=READ)
async def get_webhook_delivery(
    notifications: InNotifications, staff: InStaff, endpoint_id: UUID, delivery_id: UUID
) -> DeliveryWithAttempts:
    """Return a delivery with its attempts, oldest first."""
    delivery, attempts = await notifications.deliveries.get(staff.practices, endpoint_id, delivery_id)
    return DeliveryWithAttempts.with_log(delivery, attempts)


@router.post("/deliveries/{delivery_id}/redeliver", summary="Redeliver a message", status_code=202, responses=POST)
async def redeliver_webhook_message(
    notifications: InNotifications, staff: InStaff, endpoint_id: UUID, delivery_id: UUID
) -> DeliveryResource:
    """Create a new delivery of the same message, with the same `webhook-id`."""
    return DeliveryResource.of(await notifications.deliveries.redeliver(staff.practices, endpoint_id, delivery_id))


@router.post("/redeliver", summary="Redeliver missed messages", status_code=202, responses=POST)
async def redeliver_missed_webhook_messages(
    notifications: InNotifications, staff: InStaff, endpoint_id: UUID, body: RedeliveryBody
) -> RedeliveryCount:
    """Redeliver the messages since a time that weren't delivered, of types that the endpoint now subscribes to."""
    count = await notifications.deliveries.redeliver_since(
        staff.practices, endpoint_id, body.since, delivered=body.delivered
    )
    return RedeliveryCount(count=count)
