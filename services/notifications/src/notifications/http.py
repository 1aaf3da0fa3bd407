"""The service's manners over HTTP."""

from typing import Any

from millrace_platform.openapi import described_problems

NO_STORE = {"Cache-Control": "no-store"}
"""For all that is secret."""

_PROBLEMS = {
    401: "No valid access token.",
    403: "Not for the role of the caller.",
    404: "There is no such resource, or the caller may not know of it.",
    409: "It conflicts with what is there.",
    412: "The resource has another version than `If-Match` names.",
    415: "The body isn't JSON.",
    422: "Fields are invalid; `errors` names each with its remedy.",
    428: "`If-Match` is missing.",
    503: "The service can't answer now.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documentation of an endpoint's problems."""
    return described_problems(_PROBLEMS, *statuses)


LIST = problems(401, 403, 422)
READ = problems(401, 403, 404, 422)
POST = problems(401, 403, 404, 409, 415, 422)
CHANGE = problems(401, 403, 404, 412, 415, 422, 428)
