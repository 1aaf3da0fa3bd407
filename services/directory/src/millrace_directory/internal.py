"""For operators and `millrace verify`; the load balancer doesn't lead here."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from millrace_directory.dependencies import InDirectory
from millrace_directory.http import problems
from millrace_directory.snapshot import NDJSON, snapshot
from millrace_directory.status import status
from millrace_platform.middleware import prolong
from millrace_platform.responses import json_response

STALL = 60.0
"""Seconds that each part of the snapshot may take, the database's and the reader's share together."""

router = APIRouter(prefix="/internal/directory", tags=["internal"])


@router.get(
    "/snapshot",
    summary="Read everything",
    response_class=StreamingResponse,
    responses={200: {"description": "One entity a line.", "content": {NDJSON: {"schema": {"type": "string"}}}}},
)
async def read_snapshot(request: Request) -> StreamingResponse:
    """Lines of JSON `{"subject", "version", "data"}` in the order of the subjects; data is null for a tombstone.

    All lines are of one moment. The answer is complete only if the body ends properly (its last chunk arrives).
    """
    url = request.app.state.settings.directory_database_url
    return StreamingResponse(snapshot(url, lambda: prolong(request.scope, STALL)), media_type=NDJSON)


@router.post("/replay", summary="Send everything again", status_code=202, responses=problems(409))
async def start_replay(directory: InDirectory) -> dict[str, Any]:
    """Emits all entities under their present versions, marked as a replay. The status page tells how far it is."""
    return asdict(await directory.replay.start())


@router.get("/status", summary="Show the figures")
async def show_status(directory: InDirectory) -> Response:
    """Of the outbox (rows that wait, age of the oldest), the relay, and the last replay of this instance."""
    return json_response(await status(directory), headers={"Cache-Control": "no-store"})
