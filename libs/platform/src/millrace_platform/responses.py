"""Answers as services give them beside FastAPI's own."""

from collections.abc import Mapping
from typing import Final

import msgspec
from fastapi import Response

from millrace_platform.preconditions import etag

NO_STORE: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}
"""For all that is personal, secret, or true for a moment only."""


def json_response(body: object, *, status: int = 200, headers: Mapping[str, str] = NO_STORE) -> Response:
    """What msgspec makes of the body; no cache keeps it unless `headers` say otherwise."""
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


def tagged(version: int) -> dict[str, str]:
    """The headers of a resource that isn't public, at this version."""
    return {**NO_STORE, "ETag": etag(version)}
