"""Endpoints for operators and `millrace verify`; no load balancer routes them."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import DateTime, column, func, select, table

from millrace_directory.dependencies import InDirectory
from millrace_directory.http import problems
from millrace_directory.snapshot import NDJSON, snapshot
from millrace_feeds.outbox import OUTBOX_TABLE
from millrace_platform.internal import for_operators
from millrace_platform.limits import open_stream
from millrace_platform.responses import STREAM_HEADERS, json_response
from millrace_platform.service_tokens import CallPurpose

STALL = 60.0
"""Maximum seconds for each chunk of the snapshot: to read it from the database and send it to the client."""

_created = column("created_at", DateTime(timezone=True))
_OUTBOX = select(func.count(), func.extract("epoch", func.clock_timestamp() - func.min(_created)) * 1000).select_from(
    table(OUTBOX_TABLE, _created)
)

router = APIRouter(prefix="/internal/directory", tags=["internal"])


@router.get(
    "/snapshot",
    dependencies=[for_operators(CallPurpose.SNAPSHOT)],
    summary="Read all entities",
    response_class=StreamingResponse,
    responses={200: {"description": "One entity a line.", "content": {NDJSON: {"schema": {"type": "string"}}}}},
)
async def get_directory_snapshot(request: Request) -> StreamingResponse:
    """Return lines of JSON `{"subject", "version", "data"}` sorted by subject; `data` is null for a tombstone.

    All lines are from one moment. The response is complete only if the body ends properly (its last chunk arrives).
    """
    url = request.app.state.settings.directory_database_url
    lines = snapshot(url, open_stream(request.scope, STALL))
    return StreamingResponse(lines, media_type=NDJSON, headers=STREAM_HEADERS)


@router.post(
    "/replay",
    summary="Publish all entities again",
    status_code=202,
    dependencies=[for_operators(CallPurpose.REPLAY)],
    responses=problems(409),
)
async def start_directory_replay(directory: InDirectory) -> dict[str, Any]:
    """Publish all entities under their current versions, marked as a replay. The status page shows the progress."""
    return asdict(await directory.replay.start())


@router.get(
    "/status",
    summary="Show the outbox, the relay and the last replay",
    dependencies=[for_operators(CallPurpose.STATUS)],
)
async def get_directory_status(directory: InDirectory) -> Response:
    """Return the outbox (waiting events, age of the oldest), the relay, and the last replay of this instance."""
    async with directory.database.read() as session:
        backlog, oldest = (await session.execute(_OUTBOX)).one()
    status = {
        "outbox": {"backlog": backlog, "oldest_age_ms": None if oldest is None else round(float(oldest), 1)},
        "relay": asdict(directory.relay.status()),
        "replay": asdict(directory.replay.status),
    }
    return json_response(status, headers={"Cache-Control": "no-store"})
