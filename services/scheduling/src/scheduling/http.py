"""The service's manners over HTTP."""

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import Response

from millrace_platform.openapi import described_problems

NO_STORE = {"Cache-Control": "no-store"}


def json_response(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, {**NO_STORE, **(headers or {})}, media_type="application/json")


_PROBLEMS = {
    400: "A header is missing or can't be understood.",
    401: "No valid access token.",
    403: "Not for the role of the caller.",
    404: "There is no such resource, or the caller may not know of it.",
    409: "It conflicts with what is there.",
    412: "The resource has another version than `If-Match` names.",
    415: "The body isn't JSON.",
    422: "Fields are invalid; `errors` names each with its remedy.",
    428: "`If-Match` is missing.",
    429: "Too many requests; `Retry-After` says how long to wait.",
    503: "The service can't answer now.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documentation of an endpoint's problems."""
    return described_problems(_PROBLEMS, *statuses)
