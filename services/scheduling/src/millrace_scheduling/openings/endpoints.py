"""REST endpoint of the stream of openings. Public."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from millrace_platform.limits import open_stream
from millrace_platform.openapi import problems
from millrace_platform.responses import STREAM_HEADERS
from millrace_scheduling.availability.schemas import ProviderLocationIds
from millrace_scheduling.dependencies import InScheduling

router = APIRouter(prefix="/v1/availability", tags=["availability"])

EVENT_STREAM = "text/event-stream"
CLIENT_TIMEOUT = 60.0
"""Seconds beyond the heartbeat interval after which a client that doesn't read is disconnected."""


@router.get(
    "/stream",
    summary="Stream openings as they change",
    response_class=StreamingResponse,
    responses={
        200: {"description": "Server-sent events.", "content": {EVENT_STREAM: {"schema": {"type": "string"}}}},
        **problems(422, 429, 503),
    },
)
async def stream_availability(
    request: Request,
    scheduling: InScheduling,
    provider_location: Annotated[ProviderLocationIds, Query()],
    last_event_id: Annotated[str | None, Header(description="Id of the last received event.")] = None,
) -> StreamingResponse:
    """Send an event `availability` for each week with all its openings, and `removed` for a week without any.

    The stream begins with all weeks, or with those that changed after `Last-Event-ID`; then it sends each change. A
    comment is sent if there was no event for a while.
    """
    last_id = int(last_event_id) if last_event_id and last_event_id.isdecimal() and len(last_event_id) < 19 else 0
    streams = scheduling.streams
    extend_deadline = open_stream(request.scope, streams.heartbeat + CLIENT_TIMEOUT)
    body = streams.events(provider_location, last_id, extend_deadline)
    return StreamingResponse(body, media_type=EVENT_STREAM, headers=STREAM_HEADERS)
