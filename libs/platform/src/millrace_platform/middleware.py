"""The ASGI middleware of every service; plain ASGI because it adds only microseconds to a request.

From outermost to innermost: `tracing.Tracing` if telemetry is exported, `RequestContext` (id, log line, metrics),
`ErrorHandling` (converts exceptions to problems), `RequestLimits` (header and body size, duration, concurrency),
`routing.TypedRoutes`.
"""

import asyncio
import logging
import re
import time

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millrace_platform.context import LongRequest, caller, is_probe, request_id, request_notes, route_template
from millrace_platform.errors import BadRequest, Problem, TimedOut, Unavailable, problem_of_status
from millrace_platform.ids import Ids
from millrace_platform.problems import problem_response
from millrace_platform.tracing import SERVER_ERROR, RequestMeter

REQUEST_ID_HEADER = b"x-request-id"
_DEADLINE = "millrace.deadline"
_ACCEPTED_ID = re.compile(rb"[A-Za-z0-9._~-]{1,128}")

_requests = logging.getLogger("millrace.request")
_faults = logging.getLogger("millrace.fault")


class RequestContext:
    """Sets the request id, serves HEAD as GET without a body, logs the request and records its metrics."""

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
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            elif is_head:
                message["body"] = b""
            await send(message)

        token = request_id.set(current)
        try:
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


def extend_deadline(scope: Scope, seconds: float) -> None:
    """Move the request's deadline to `seconds` from now. Streaming endpoints call it before each part they send.

    The request counts as a stream from then on.
    """
    request_notes(scope).long = LongRequest.STREAM
    deadline: asyncio.Timeout | None = scope.get(_DEADLINE)
    if deadline is not None and not deadline.expired():
        deadline.reschedule(asyncio.get_running_loop().time() + seconds)


class RequestLimits:
    """Limits the size and duration of each request and the number of concurrent requests."""

    def __init__(
        self, app: ASGIApp, *, header_count: int, head_size: int, body_size: int, seconds: float, concurrency: int
    ) -> None:
        self._app = app
        self._header_count = header_count
        self._head_size = head_size
        self._body_size = body_size
        self._seconds = seconds
        self._at_once = concurrency
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = self._body(scope, receive)
        if self._running >= self._at_once:
            raise Unavailable("Too many concurrent requests. Retry later.")
        self._running += 1
        try:
            async with asyncio.timeout(self._seconds) as deadline:
                scope[_DEADLINE] = deadline
                await self._app(scope, body or receive, send)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise TimedOut() if body is None or body.complete else problem_of_status(408) from None
        finally:
            self._running -= 1

    def _body(self, scope: Scope, receive: Receive) -> "_Body | None":
        """Return a receiver that limits the body size, None without body; raise `Problem` if the head is too large."""
        headers = scope["headers"]
        size = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
        if size > self._head_size:
            raise problem_of_status(414, f"Shorten the request target to at most {self._head_size} bytes.")
        if len(headers) > self._header_count:
            raise problem_of_status(431, f"Send at most {self._header_count} header fields.")
        length = b""
        chunked = False
        for name, value in headers:
            size += len(name) + len(value)
            if name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                chunked = True
        if size > self._head_size:
            raise problem_of_status(431, f"Send header fields of at most {self._head_size} bytes in total.")
        if not chunked and length in (b"", b"0"):
            return None
        if length and (not length.isdigit() or len(length) > 18):
            raise BadRequest("Content-Length is not a number. Send the size of the body in bytes.")
        if length and int(length) > self._body_size:
            raise problem_of_status(413, _too_large(self._body_size))
        return _Body(receive, self._body_size)


class _Body:
    """Receives a request body; raises 413 as soon as it exceeds the limit in bytes, regardless of Content-Length."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit
        self._limit = limit
        self.complete = False

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
            if self._left < 0:
                # The only exception that FastAPI does not convert while it reads a body.
                raise HTTPException(413, _too_large(self._limit))
        return message


def _too_large(limit: int) -> str:
    return f"Send a body of at most {limit} bytes."
