"""Forwards a received request to the service that owns its path, and streams the response.

It uses aiohttp's client, because a small GET takes a tenth of httpx's time (0.13 ms against 1.2, over one connection).
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus

import aiohttp
from multidict import CIMultiDict
from starlette.types import ASGIApp, Receive, Scope, Send
from yarl import URL

from millrace_local.edge.headers import end_to_end, forwarded
from millrace_local.edge.problem import problem_app
from millrace_local.routes import STREAMS, service_for
from millrace_platform.errors import NotFound, TimedOut, Unavailable, problem_of_status
from millrace_platform.limits import open_stream

CONNECT_SECONDS = 2.0
POOL_SECONDS = 5.0
SILENCE_SECONDS = 60.0
DEADLINE_SECONDS = 60.0
"""Seconds from the head of a request to the end of its response, except streams."""
STREAM_STALL_SECONDS = 75.0
"""Seconds for each part of a stream; longer than the services' interval between two heartbeats, and the silence."""
# Less than the services' idle timeout (75 s): if a service closed first, a request could be lost meanwhile.
IDLE_SECONDS = 60.0
CHUNK = 65536
FIELD_LIMIT = 65536


def open_session(connections: int, tls: ssl.SSLContext) -> aiohttp.ClientSession:
    """Open an HTTP client with limited times, which forwards bodies and header fields unchanged.

    It has at most so many `connections` to each service; 0: unlimited. `tls` verifies services with `https://` URLs.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=connections, keepalive_timeout=IDLE_SECONDS, ssl=tls),
        timeout=aiohttp.ClientTimeout(
            total=None, connect=POOL_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS
        ),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        max_line_size=FIELD_LIMIT,
        max_field_size=FIELD_LIMIT,
    )


class Exchange:
    """One forwarded request, whose body was received already. `started`: the client got a status."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._extend_deadline: Callable[[], None] | None = None
        self.started = False

    def become_stream(self) -> None:
        """Count the exchange as a stream; raise `Problem` if there are too many."""
        self._extend_deadline = open_stream(self._scope, STREAM_STALL_SECONDS)

    async def forward(self, session: aiohttp.ClientSession, base_url: str) -> None:
        """Forward request and response; end early without an error if the client disconnects."""
        body: bytes = (await self._receive()).get("body", b"")
        transfer = asyncio.create_task(self._transfer(session, base_url, body))
        departure = asyncio.create_task(self._departure())
        try:
            await asyncio.wait({transfer, departure}, return_when=asyncio.FIRST_COMPLETED)
            if transfer.done():
                transfer.result()
        finally:
            for task in (transfer, departure):
                task.cancel()
            await asyncio.gather(transfer, departure, return_exceptions=True)

    async def _transfer(self, session: aiohttp.ClientSession, base_url: str, body: bytes) -> None:
        async with session.request(
            self._scope["method"],
            URL(base_url + _target(self._scope), encoded=True),
            headers=self._request_headers(),
            data=body or None,
            allow_redirects=False,
        ) as response:
            headers = end_to_end(response.raw_headers)
            if self._extend_deadline is not None:
                headers.append((b"connection", b"close"))
            await self._send({"type": "http.response.start", "status": response.status, "headers": headers})
            self.started = True
            async for chunk in response.content.iter_chunked(CHUNK):
                if self._extend_deadline is not None:
                    self._extend_deadline()
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    def _request_headers(self) -> CIMultiDict[str]:
        fields = forwarded(
            end_to_end(self._scope["headers"]),
            client=(self._scope.get("client") or ("unknown", 0))[0],
            scheme=self._scope["scheme"],
            port=(self._scope.get("server") or ("", 0))[1] or 0,
        )
        return CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields)

    async def _departure(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


class Proxy:
    """ASGI application for the routed paths, with an HTTP client for requests and one for streams.

    `upstreams` are the services' base URLs by name.
    """

    def __init__(
        self, upstreams: Mapping[str, str], requests: aiohttp.ClientSession, streams: aiohttp.ClientSession
    ) -> None:
        self._upstreams = upstreams
        self._requests = requests
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request. If the upstream's response breaks off, the client's breaks off too."""
        service = service_for(_path(scope))
        if service is None or service not in self._upstreams:
            await problem_app(NotFound("No service has this path. See /docs."))(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        session = self._requests
        if scope["path"] in STREAMS:  # decoded, as the service reads it
            exchange.become_stream()
            session = self._streams
        try:
            await exchange.forward(session, self._upstreams[service])
        except (aiohttp.ClientError, TimeoutError) as error:
            if exchange.started:
                raise
            await _error_response(service, error)(scope, receive, send)


def _error_response(service: str, error: Exception) -> ASGIApp:
    match error:
        case TimeoutError():  # includes aiohttp's timeouts
            return problem_app(TimedOut(f"The service {service} did not respond in time. Try again later."))
        case aiohttp.ClientConnectorError():
            return problem_app(Unavailable(f"The service {service} is not running. Try again later."))
        case _:
            detail = f"The service {service} closed the connection before it responded. Try again."
            return problem_app(problem_of_status(HTTPStatus.BAD_GATEWAY, detail))


def _path(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("latin-1")


def _target(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return f"{_path(scope)}?{query}" if query else _path(scope)
