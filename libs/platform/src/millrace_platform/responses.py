"""Responses that msgspec encodes, and common headers."""

from collections.abc import Mapping
from typing import Final

import msgspec
from fastapi import Response

from millrace_platform.preconditions import etag

NO_STORE: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}
"""Headers of responses that are personal, secret or soon outdated."""


def json_response(body: object, *, status: int = 200, headers: Mapping[str, str] = NO_STORE) -> Response:
    """Encode the body as JSON. Caches don't store the response unless `headers` allow it."""
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


def etag_headers(version: int) -> dict[str, str]:
    """Return the headers of a resource that caches must not store, with the ETag of its version."""
    return {**NO_STORE, "ETag": etag(version)}
