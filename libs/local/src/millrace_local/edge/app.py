"""The edge as one ASGI application."""

import ssl
from collections.abc import Mapping
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millrace_local.edge.pages import Services, create_pages, is_own
from millrace_local.edge.problem import problem_app, with_problems
from millrace_local.edge.proxy import DEADLINE_SECONDS, Proxy, open_session
from millrace_platform.errors import Problem
from millrace_platform.limits import Limits, RequestLimits
from millrace_platform.settings import PoolSettings

REQUEST_CONNECTIONS = 256
PAGE_CONNECTIONS = 16
"""Connections to each service for requests, and for the edge's own pages; those for streams are as many as streams."""
REQUESTS = 1_000
BODY_LIMIT = 2_097_152
HEAD_LIMIT = 131_072
HEADER_COUNT = 200
"""Limits above the services' own ones, so that the services respond with their problems."""


class Edge:
    """Serves its own pages and forwards all other requests to `upstreams`, the services' base URLs by name.

    `/healthz` returns 503 while `ready_file` is missing or a service isn't ready. Requests, streams and the edge's own
    pages don't share connections to the services, and a body is received before it takes one. `tls` verifies services
    with `https://` URLs.
    """

    def __init__(
        self,
        upstreams: Mapping[str, str],
        ready_file: Path | None = None,
        pools: PoolSettings | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._upstreams = upstreams
        self._tls = tls or ssl.create_default_context()
        self._ready_file = ready_file
        self._limited = RequestLimits(self._serve, limits=_limits(pools or PoolSettings()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve_limited(scope, receive, send)

    async def _serve_limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._limited(scope, receive, watched)
        except Problem as problem:
            if started:
                raise
            await problem_app(problem)(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._pages if is_own(scope["path"]) else self._proxy)(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        # A client session belongs to the running event loop, which doesn't exist earlier.
        async with (
            open_session(REQUEST_CONNECTIONS, self._tls) as requests,
            open_session(0, self._tls) as streams,
            open_session(PAGE_CONNECTIONS, self._tls) as pages,
        ):
            self._proxy: ASGIApp = Proxy(self._upstreams, requests, streams)
            self._pages: ASGIApp = with_problems(create_pages(Services(self._upstreams, pages), self._ready_file))
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _limits(pools: PoolSettings) -> Limits:
    return Limits(
        header_count=HEADER_COUNT,
        head_size=HEAD_LIMIT,
        body_size=BODY_LIMIT,
        seconds=DEADLINE_SECONDS,
        requests=REQUESTS,
        uploads=pools.upload_limit,
        streams=pools.stream_limit,
        source_streams=pools.source_stream_limit,
        hops=0,
    )
