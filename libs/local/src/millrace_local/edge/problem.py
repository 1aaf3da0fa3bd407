"""Problem responses of the edge itself (RFC 9457)."""

import json
from http import HTTPStatus

from starlette.types import Send


async def send_problem(send: Send, status: HTTPStatus, detail: str) -> None:
    """Send an `application/problem+json` response; 503 includes `Retry-After`."""
    problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    body = json.dumps(problem).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": body})
