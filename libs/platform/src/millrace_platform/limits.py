"""ASGI middleware that limits requests; ordinary requests, uploads and streams don't share their limits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millrace_platform.client_address import read_client_address
from millrace_platform.context import HEALTH_PATHS, LongRequest, request_notes
from millrace_platform.errors import BadRequest, Problem, TimedOut, problem_of_status
from millrace_platform.pools import RequestPool, StreamPool, UploadPool

_SLOT = "millrace.slot"


def open_stream(scope: Scope, stall: float) -> Callable[[], None]:
    """Count the request as a stream from now on, and return a function to call before each part that it sends.

    Each call allows `stall` seconds until the next one. Raise `TooManyRequests` if the client has too many streams,
    `Unavailable` if the process has.
    """
    slot: _Slot | None = scope.get(_SLOT)
    if slot is not None:
        slot.become_stream(scope)
    request_notes(scope).long = LongRequest.STREAM

    def extend() -> None:
        if slot is not None:
            slot.extend(stall)

    extend()
    return extend


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a process: sizes in bytes, `seconds` from the head of a request to the end of its response.

    `requests` are those received completely, without streams. `hops` of our own proxies append to `X-Forwarded-For`.
    """

    header_count: int
    head_size: int
    body_size: int
    seconds: float
    requests: int
    uploads: int
    streams: int
    source_streams: int
    hops: int


class _Pools:
    def __init__(self, limits: Limits) -> None:
        self.uploads = UploadPool(limits.uploads)
        self.requests = RequestPool(limits.requests)
        self.streams = StreamPool(limits.streams, limits.source_streams)
        self.hops = limits.hops


class _Slot:
    """The place of one request: in no pool, then in that of requests, then possibly in that of streams."""

    __slots__ = ("_deadline", "_leave", "_pools")

    def __init__(self, pools: _Pools, deadline: asyncio.Timeout) -> None:
        self._pools = pools
        self._deadline = deadline
        self._leave: Callable[[], None] | None = None

    def become_request(self) -> None:
        self._pools.requests.add()
        self._leave = self._pools.requests.remove

    def become_stream(self, scope: Scope) -> None:
        source = read_client_address(scope, self._pools.hops)
        self._pools.streams.add(source)
        self.leave()
        self._leave = lambda: self._pools.streams.remove(source)

    def extend(self, seconds: float) -> None:
        if not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time() + seconds)

    def leave(self) -> None:
        if self._leave is not None:
            self._leave()
            self._leave = None


class RequestLimits:
    """Limits the size and duration of each request and the number of concurrent requests, uploads and streams.

    Receives the whole body before it passes a request on. Probes are outside of all limits, so that they report the
    state of the process and not its load.
    """

    def __init__(self, app: ASGIApp, *, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._pools = _Pools(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in HEALTH_PATHS:
            await self._app(scope, receive, send)
            return
        has_body = self._check_head(scope)
        deadline = asyncio.timeout(self._limits.seconds)
        slot = scope[_SLOT] = _Slot(self._pools, deadline)
        is_complete = not has_body
        try:
            async with deadline:
                if has_body:
                    receive = await self._receive_body(scope, receive, deadline)
                    is_complete = True
                slot.become_request()
                await self._app(scope, receive, send)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise TimedOut() if is_complete else _incomplete() from None
        finally:
            slot.leave()

    def _check_head(self, scope: Scope) -> bool:
        """Return whether the request has a body; raise `Problem` if its head or the announced body is too large."""
        limits = self._limits
        headers = scope["headers"]
        size = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
        if size > limits.head_size:
            raise problem_of_status(414, f"Shorten the request target to at most {limits.head_size} bytes.")
        if len(headers) > limits.header_count:
            raise problem_of_status(431, f"Send at most {limits.header_count} header fields.")
        length = b""
        chunked = False
        for name, value in headers:
            size += len(name) + len(value)
            if name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                chunked = True
        if size > limits.head_size:
            raise problem_of_status(431, f"Send header fields of at most {limits.head_size} bytes in total.")
        if not chunked and length in (b"", b"0"):
            return False
        if length and (not length.isdigit() or len(length) > 18):
            raise BadRequest("Content-Length is not a number. Send the size of the body in bytes.")
        if length and int(length) > limits.body_size:
            raise _too_large(limits.body_size)
        return True

    async def _receive_body(self, scope: Scope, receive: Receive, deadline: asyncio.Timeout) -> Receive:
        """Receive the whole body and return the function by which the application receives it again."""
        parts: list[bytes] = []
        left = self._limits.body_size
        more = True
        with self._pools.uploads.admit(read_client_address(scope, self._limits.hops), deadline) as upload:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise BadRequest("The connection was closed before the body was complete.")
                part = message.get("body", b"")
                left -= len(part)
                if left < 0:  # also regardless of Content-Length
                    raise _too_large(self._limits.body_size)
                parts.append(part)
                more = message.get("more_body", False)
        if upload.is_evicted:  # its deadline would end the request instead
            raise _incomplete()
        return _received(b"".join(parts), receive)


def _received(body: bytes, receive: Receive) -> Receive:
    first: Message | None = {"type": "http.request", "body": body, "more_body": False}

    async def receive_again() -> Message:
        nonlocal first
        if first is None:
            return await receive()
        message, first = first, None
        return message

    return receive_again


def _too_large(limit: int) -> Problem:
    return problem_of_status(413, f"Send a body of at most {limit} bytes.")


def _incomplete() -> Problem:
    detail = "The body was not received in time. Send the request again, without pauses."
    return problem_of_status(408, detail, headers={"Connection": "close"})
