"""Live openings as server-sent events. Public."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from millrace_platform.middleware import prolong
from millrace_platform.openapi import problems
from millrace_platform.responses import NO_STORE
from millrace_scheduling.availability.schemas import PlaceIds
from millrace_scheduling.dependencies import InScheduling

router = APIRouter(prefix="/v1/availability", tags=["availability"])

EVENT_STREAM = "text/event-stream"
STALL = 60.0
"""Seconds that a client may take for what was sent last, beyond the heartbeat."""


@router.get(
    "/stream",
    summary="Follow openings as they change",
    response_class=StreamingResponse,
    responses={
        200: {"description": "Server-sent events.", "content": {EVENT_STREAM: {"schema": {"type": "string"}}}},
        **problems(422, 503),
    },
)
async def stream(
    request: Request,
    scheduling: InScheduling,
    provider_location: Annotated[PlaceIds, Query()],
    last_event_id: Annotated[str | None, Header(description="Id of the last event that arrived.")] = None,
) -> StreamingResponse:
    """Events `availability` with all openings of a place in a week, and `removed` where there are none any more.

    First every week as it stands, or with `Last-Event-ID` what changed since; then each change. A comment comes when
    nothing else did for a while.
    """
    last_id = int(last_event_id) if last_event_id and last_event_id.isdecimal() and len(last_event_id) < 19 else 0
    streams = scheduling.streams
    streams.hub.require_room()
    alive = partial(prolong, request.scope, streams.heartbeat + STALL)
    body = streams.events(provider_location, last_id, alive)
    headers = {**NO_STORE, "X-Accel-Buffering": "no"}
    return StreamingResponse(body, media_type=EVENT_STREAM, headers=headers)
