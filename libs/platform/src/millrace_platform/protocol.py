"""Handle HTTP/1.1 in uvicorn, limiting the size and time of an incomplete request head and responding with problems.

The application also limits heads, but only receives complete ones.
"""

import asyncio
import socket
import ssl
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import uvloop
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from millrace_platform.context import request_id
from millrace_platform.errors import Problem, problem_of_status
from millrace_platform.headers import DEFAULTS
from millrace_platform.problems import PROBLEM_MEDIA_TYPE, problem_body

HEAD_LIMIT = 65_536
"""Maximum size of an incomplete head in bytes, without the first chunk read from the socket (up to 256 KiB)."""

INPUT_SECONDS = 15.0
"""Seconds in which a request's head must arrive, and after an early response the rest of the request's body."""

SILENCE_SECONDS = 15
"""Seconds after which a connection is closed whose peer acknowledges nothing."""
PROBE_SECONDS = 5
"""Seconds between two probes of an idle connection."""

LINGER_SECONDS = 1.0
"""Seconds in which further input of a rejected client is discarded, before its connection is closed."""
TLS_CLOSE_SECONDS = 5.0
"""Seconds in which a client must read the rest of a response and confirm the end of a TLS connection."""


class EventLoop(uvloop.Loop):
    """An event loop whose listeners limit the time of a TLS handshake as that of a head, which uvicorn can't set."""

    async def create_server(  # type: ignore[override] # all other arguments are passed on
        self, *arguments: Any, ssl: ssl.SSLContext | None = None, **options: Any
    ) -> asyncio.AbstractServer:
        """Listen as `asyncio` does."""
        if ssl is not None:
            options |= {"ssl_handshake_timeout": INPUT_SECONDS, "ssl_shutdown_timeout": TLS_CLOSE_SECONDS}
        server: asyncio.AbstractServer = await super().create_server(*arguments, ssl=ssl, **options)
        return server


def detect_vanished_peers(listener: socket.socket) -> None:
    """Have the system close accepted connections whose peer vanished, so that nothing is sent to it for long."""
    options = {
        "TCP_KEEPIDLE": PROBE_SECONDS,
        "TCP_KEEPINTVL": PROBE_SECONDS,
        "TCP_KEEPCNT": SILENCE_SECONDS // PROBE_SECONDS - 1,
        "TCP_USER_TIMEOUT": SILENCE_SECONDS * 1_000,
    }
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in options.items():
        if (option := getattr(socket, name, None)) is not None:  # not every system has all of them
            listener.setsockopt(socket.IPPROTO_TCP, option, value)


class HeadLimitingProtocol(HttpToolsProtocol):
    """Handles one connection; rejects malformed requests, and oversized or late heads, with a problem response."""

    _head_open = False
    _message_open = False
    _head_size = 0
    _rejected = False
    _running: RequestResponseCycle | None = None
    """The request that the application handles; `cycle` is the last one that was received."""
    _input_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in the base class
        super().connection_made(transport)
        self._start_keep_alive()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_input_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._rejected or self._is_last_response():
            return
        was_open = self._head_open
        super().data_received(data)
        if was_open and self._head_open:
            self._head_size += len(data)
            if self._head_size > HEAD_LIMIT:
                self._reject(problem_of_status(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        if self.timeout_keep_alive_task is None:
            self._start_input_timer()

    def _is_last_response(self) -> bool:
        """Return whether the connection closes after the running response, so that further requests are ignored.

        Uvicorn would stop reading at a further request, and not notice then that the client disconnects.
        """
        running = self._running
        return running is not None and running.response_started and not (running.keep_alive or running.more_body)

    def _start_input_timer(self) -> None:
        """Limit the time of an incomplete message, unless a response is running, which has its own deadline."""
        if self._input_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._input_timer = self.loop.call_later(INPUT_SECONDS, self._on_input_timeout)

    def _stop_input_timer(self) -> None:
        if self._input_timer is not None:
            self._input_timer.cancel()
            self._input_timer = None

    def _on_input_timeout(self) -> None:
        self._input_timer = None
        if self._head_open and not self.transport.is_closing():
            self._reject(problem_of_status(HTTPStatus.REQUEST_TIMEOUT, "The head was not received in time."))
        else:
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_open = self._message_open = True
        self._head_size = 0

    def on_headers_complete(self) -> None:
        self._head_open = False
        self._stop_input_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._message_open = False
        super().on_message_complete()
        if self.cycle.response_complete:
            self._stop_input_timer()
            self._start_keep_alive()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._message_open:
            self._start_input_timer()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _start_keep_alive(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def send_400_response(self, msg: str) -> None:
        """Respond to malformed HTTP with problem 400; only close the connection if a response has begun."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()
            return
        self._reject(problem_of_status(HTTPStatus.BAD_REQUEST, msg))

    def _reject(self, problem: Problem) -> None:
        current = str(uuid4())  # the application, which else gives a request its id, doesn't get this one
        token = request_id.set(current)
        body = problem_body(problem)
        request_id.reset(token)
        head = (
            f"content-type: {PROBLEM_MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            f"connection: close\r\nx-request-id: {current}\r\n"
        )
        defaults = b"".join(name + b": " + value + b"\r\n" for name, value in DEFAULTS)
        self._rejected = True
        self.transport.write(STATUS_LINE[problem.status] + head.encode() + defaults + b"\r\n" + body)
        # An immediate close would reset a client that is still sending before it has read the response.
        if self.transport.can_write_eof():  # not over TLS
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
