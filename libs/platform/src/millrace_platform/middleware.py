"""The ASGI middleware of every service; plain ASGI because it adds only microseconds to a request.

From outermost to innermost: `tracing.Tracing` if telemetry is exported, `RequestContext` (id, log line, metrics),
`cors.Cors` if other origins are permitted, `ErrorHandling` (converts exceptions to problems), `HostCheck` (name in
`Host`), `limits.RequestLimits` (sizes, duration, concurrency), `routing.TypedRoutes`.
"""

import asyncio
import logging
import re
import time
from collections.abc import Iterable

from anyio import CancelScope
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millrace_platform.context import (
    HEALTH_PATHS,
    LongRequest,
    caller,
    is_probe,
    request_id,
    request_notes,
    route_template,
)
from millrace_platform.errors import BadRequest, Problem, TimedOut, Unavailable, problem_of_status
from millrace_platform.headers import is_https, protective_fields
from millrace_platform.ids import Ids
from millrace_platform.problems import problem_response
from millrace_platform.tracing import SERVER_ERROR, RequestMeter

REQUEST_ID_HEADER = b"x-request-id"
_PORT = re.compile(rb":[0-9]*\Z")
_ACCEPTED_ID = re.compile(rb"[A-Za-z0-9._~-]{1,128}")

_requests = logging.getLogger("millrace.request")
_faults = logging.getLogger("millrace.fault")


class RequestContext:
    """Sets the request id and the header fields of every response, logs the request and records its metrics.

    Serves HEAD as GET without a body.
    """

    def __init__(self, app: ASGIApp, *, ids: Ids, meter: RequestMeter | None = None) -> None:
        self._app = app
        self._ids = ids
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        method: str = scope["method"]
        is_head = method == "HEAD"
        if is_head:
            # The server must still see HEAD, and outer middleware reads the matched route from the original scope.
            outer_scope, scope = scope, {**scope, "method": "GET", "fastapi": scope.setdefault("fastapi", {})}
        current = _accepted_id(scope) or str(self._ids())
        header = (REQUEST_ID_HEADER, current.encode())
        request_notes(scope)  # before the scope is copied
        https = is_https(scope.get("scheme", "http"), scope["headers"])
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                fields = message.get("headers", ())
                message["headers"] = [*fields, header, *protective_fields(fields, is_https=https)]
            await send(message)

        token = request_id.set(current)
        try:
            if is_head:
                await _serve_head(self._app, scope, receive, send_with_id)
            else:
                await self._app(scope, receive, send_with_id)
        finally:
            if is_head and "route" in scope:
                outer_scope["route"] = scope["route"]
            self._note(scope, method, status, time.perf_counter() - started)
            request_id.reset(token)

    def _note(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        route = route_template(scope)
        # A failed request is one of the ordinary ones, by which failures are counted.
        long = request_notes(scope).long if status < SERVER_ERROR else None
        if self._meter is not None:
            self._meter.record(method=method, route=route, status=status, seconds=seconds, long=long)
        level = logging.DEBUG if is_probe(route) or long is LongRequest.POLL else logging.INFO
        if _requests.isEnabledFor(level):
            # Logger.log would look up the caller's file and line, which takes longer than all the rest.
            record = logging.LogRecord(_requests.name, level, "", 0, "request", None, None)
            duration = round(seconds * 1000, 3)
            record.__dict__.update(
                method=method, route=route, status=status, duration_ms=duration, caller=caller(scope)
            )
            if long is not None:
                record.__dict__["long"] = long
            _requests.handle(record)


async def _serve_head(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Complete the response as soon as its head is sent; cancel the application if its body has no known length.

    Such a body is a stream, which may never end.
    """
    with CancelScope() as running:

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.start":
                return
            await send(message)
            await send({"type": "http.response.body", "body": b""})
            if all(name.lower() != b"content-length" for name, _ in message["headers"]):
                running.cancel()

        await app(scope, receive, send_head)


def _accepted_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER:
            return value.decode() if _ACCEPTED_ID.fullmatch(value) else None
    return None


class ErrorHandling:
    """Converts exceptions to problem responses without internal details; logs the details.

    For the exception types `unavailable_on`, which mean that a store can't be reached, the response is 503, not 500.
    """

    def __init__(self, app: ASGIApp, *, unavailable_on: tuple[type[Exception], ...] = ()) -> None:
        self._app = app
        self._unavailable_on = unavailable_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            # Only a server shutdown gets here: disconnects don't cancel requests; RequestLimits converts its timeout.
            if started or scope["type"] != "http":
                raise
            await problem_response(Unavailable("The service is shutting down. Retry later."))(scope, receive, send)
        except Exception as error:
            problem = self._problem(error)
            if started or scope["type"] != "http":
                raise
            await problem_response(problem)(scope, receive, send)

    def _problem(self, error: Exception) -> Problem:
        if isinstance(error, Problem):
            return error
        if isinstance(error, self._unavailable_on):
            _faults.warning("store unavailable", exc_info=error)
            return Unavailable()
        if isinstance(error, TimeoutError):
            _faults.warning("store timed out", exc_info=error)
            return TimedOut()
        _faults.error("unhandled exception", exc_info=error)
        return problem_of_status(500)


class HostCheck:
    """Refuses requests that name another host than `hosts` in `Host`; only probes may, because they send an address.

    So a page of a stranger whose name was made to resolve to our address gets no response (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower().encode() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in HEALTH_PATHS:
            named = [value for name, value in scope["headers"] if name == b"host"]
            if len(named) != 1:
                raise BadRequest("The request must name one host. Send the header Host once.")
            if _PORT.sub(b"", named[0]).lower() not in self._hosts:
                raise problem_of_status(421, "This service has no such host. Send the request to its own address.")
        await self._app(scope, receive, send)
