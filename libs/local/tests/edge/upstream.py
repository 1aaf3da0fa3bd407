"""A service that echoes requests and behaves as its path says."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/v1/directory"
DOCUMENT = {"openapi": "3.1.0", "paths": {"/v1/directory/providers": {"get": {"responses": {}}}}}


async def _start(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


class Upstream:
    """`gone` is set when the client disconnects; `uploading` when it receives an upload."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.uploading = asyncio.Event()
        self.proceed = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        routes: dict[str, ASGIApp] = {
            f"{PREFIX}/upload": self._upload,
            f"{PREFIX}/stream": self._stream,
            "/v1/availability/stream": self._stream,
            f"{PREFIX}/break": self._break,
            f"{PREFIX}/break-at-once": self._break_at_once,
            "/readyz": Response(),
            "/openapi.json": JSONResponse(DOCUMENT),
        }
        await routes.get(scope["path"], self._echo)(scope, receive, send)

    async def _echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = {
            "method": scope["method"],
            "target": scope["raw_path"].decode() + "?" + scope["query_string"].decode(),
            "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
            "body": (await Request(scope, receive).body()).decode(),
        }
        response = JSONResponse(seen, headers={"x-empty": ""})
        response.raw_headers += [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await response(scope, receive, send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.uploading.set()
        await Response(str(len(await Request(scope, receive).body())))(scope, receive, send)

    async def _stream(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await _start(send, 200, [(b"content-type", b"text/plain")])
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        waits = {asyncio.create_task(self.proceed.wait()), asyncio.create_task(self._left(receive))}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        await send({"type": "http.response.body", "body": b"second"})

    async def _left(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone.set()

    async def _break(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await _start(send, 200, [(b"content-length", b"100")])
        await send({"type": "http.response.body", "body": b"only this", "more_body": True})
        raise ConnectionAbortedError

    async def _break_at_once(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await _start(send, 200, [(b"content-length", b"100"), (b"bad\r\nheader", b"x")])
        await send({"type": "http.response.body"})
