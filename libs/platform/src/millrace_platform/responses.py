"""Create JSON responses (encoded by msgspec) and common headers."""

from collections.abc import Mapping
from typing import Final

import msgspec
from fastapi import Response

from millrace_platform.preconditions import etag

NO_STORE: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}
"""Headers that forbid caching, for responses that are personal, secret or soon outdated."""
STREAM_HEADERS: Final[Mapping[str, str]] = {**NO_STORE, "Connection": "close", "X-Accel-Buffering": "no"}
"""Headers of a stream: proxies pass each part on at once, and no further request waits on its connection."""


def json_response(body: object, *, status: int = 200, headers: Mapping[str, str] = NO_STORE) -> Response:
    """Return a response with the body as JSON; `headers` replace the default ones, which forbid caching."""
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


def etag_headers(version: int) -> dict[str, str]:
    """Return headers that forbid caching and contain the ETag of this version of a resource."""
    return {**NO_STORE, "ETag": etag(version)}
