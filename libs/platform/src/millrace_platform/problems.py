"""Convert errors to problem responses (RFC 9457)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response

from millrace_platform.context import request_id
from millrace_platform.errors import FieldError, Problem, Unprocessable, problem_of_status
from millrace_platform.validation import field_errors

PROBLEM_MEDIA_TYPE = "application/problem+json"

_UNREADABLE_BODY = FieldError(
    field="body", detail="The body is not valid JSON.", remedy="Send well-formed JSON in UTF-8, not too deeply nested."
)


def problem_response(problem: Problem) -> Response:
    """Return the HTTP response for a problem."""
    return Response(
        problem_body(problem),
        status_code=problem.status,
        headers={"Cache-Control": "no-store", **problem.headers},
        media_type=PROBLEM_MEDIA_TYPE,
    )


def problem_body(problem: Problem) -> bytes:
    """Return a problem as JSON text, with its field errors and the request id, if any."""
    members: dict[str, Any] = {"type": problem.type, "title": problem.title, "status": problem.status}
    if problem.detail:
        members["detail"] = problem.detail
    if problem.errors:
        members["errors"] = problem.errors
    members |= problem.members
    if (current := request_id.get()) is not None:
        members["request_id"] = current
    return msgspec.json.encode(members)


def install_problem_handlers(app: FastAPI) -> None:
    """Install exception handlers that respond with problems to our own exceptions and those of FastAPI."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)


async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 # the type it is registered for
    return problem_response(error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 # the type it is registered for
    if isinstance(error.__cause__, ValueError | RecursionError):
        # FastAPI raises this for a body that is not UTF-8, is nested too deeply or has a number of thousands of digits;
        # treat it like other invalid JSON.
        return problem_response(unreadable_body())
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods_at(request)))
    detail = error.detail if error.detail != HTTPStatus(error.status_code).phrase else None
    return problem_response(problem_of_status(error.status_code, detail, headers=headers))


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 # the type it is registered for
    return problem_response(invalid_request(request, error.errors(), error.body))


def unreadable_body() -> Problem:
    """Return the problem for a body that isn't UTF-8, is nested too deeply or has too long a number."""
    return Unprocessable(errors=[_UNREADABLE_BODY])


def invalid_request(request: Request, errors: Sequence[Any], body: object) -> Problem:
    """Return the problem for Pydantic's validation errors: 415 if the body is declared as another type, or else 422."""
    if isinstance(body, bytes) and body and not is_json(request):
        return problem_of_status(415, "Send the body as application/json.", headers={"Accept": "application/json"})
    return Unprocessable(errors=field_errors(errors))


def is_json(request: Request) -> bool:
    """Return whether the request declares a JSON body."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    kind, _, subtype = media_type.partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))


def _methods_at(request: Request) -> set[str]:
    """Return the HTTP methods of all routes that match the path; Starlette only reports those of the first."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        pattern = getattr(route, "path_regex", None)
        if pattern is not None and pattern.match(request.scope["path"]):
            methods |= route.methods or set()
    return methods | {"HEAD"} if "GET" in methods else methods
