"""Problem responses of the edge itself (RFC 9457)."""

from http import HTTPStatus

from starlette.responses import JSONResponse


def problem_response(status: HTTPStatus, detail: str) -> JSONResponse:
    """Return an `application/problem+json` response; 503 includes `Retry-After`."""
    problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    headers = {"Retry-After": "1"} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    return JSONResponse(problem, status, headers, "application/problem+json")
