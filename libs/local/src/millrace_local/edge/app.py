"""The edge as one ASGI application."""

from collections.abc import Mapping
from pathlib import Path

import aiohttp
from starlette.types import ASGIApp, Receive, Scope, Send

from millrace_local.edge.pages import Services, create_pages, is_own
from millrace_local.edge.problem import with_problems
from millrace_local.edge.proxy import Proxy, open_session


class Edge:
    """Serves its own pages and forwards all other requests to `upstreams`, the services' base URLs by name.

    `/healthz` returns 503 while `ready_file` is missing or a service isn't ready.
    """

    def __init__(self, upstreams: Mapping[str, str], ready_file: Path | None = None) -> None:
        self._upstreams = upstreams
        self._ready_file = ready_file
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await (self._pages if is_own(scope["path"]) else self._proxy)(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        # A client session belongs to the running event loop, which doesn't exist earlier.
        async with open_session() as session:
            self._proxy: ASGIApp = Proxy(self._upstreams, session)
            self._pages: ASGIApp = with_problems(create_pages(Services(self._upstreams, session), self._ready_file))
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
