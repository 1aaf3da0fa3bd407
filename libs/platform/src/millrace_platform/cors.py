"""Let pages of other origins read responses (Cross-Origin Resource Sharing, the Fetch standard)."""

from collections.abc import Collection
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS: Final = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-Modified-Since, If-None-Match, Last-Event-ID, "
    "Purpose-Of-Use, X-Request-ID"
)
RESPONSE_HEADERS: Final = "ETag, Last-Modified, Link, Location, Retry-After, WWW-Authenticate, X-Request-ID"
PREFLIGHT_SECONDS: Final = 600
"""Time for which a browser remembers what a preflight allowed."""


class Cors:
    """ASGI middleware that permits requests of pages from `origins`, without cookies; other origins get no headers."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = dict(scope["headers"])
        origin: bytes | None = sent.get(b"origin")
        fields = [(b"vary", b"Origin")]  # a cache must not give one origin the response to another
        if origin in self._origins:
            fields += [
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", RESPONSE_HEADERS.encode()),
            ]

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *fields]
            await send(message)

        is_preflight = scope["method"] == "OPTIONS" and b"access-control-request-method" in sent
        app = _preflight() if is_preflight and origin in self._origins else self._app
        await app(scope, receive, send_with_fields)


def _preflight() -> Response:
    headers = {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": REQUEST_HEADERS,
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
    return Response(status_code=204, headers=headers)
