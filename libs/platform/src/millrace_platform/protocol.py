"""Handle HTTP/1.1 in uvicorn, limiting the size of an incomplete request head and responding with problems.

The application also limits heads, but only receives complete ones.
"""

from http import HTTPStatus
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from millrace_platform.context import request_id
from millrace_platform.errors import Problem, problem_of_status
from millrace_platform.problems import PROBLEM_MEDIA_TYPE, problem_body

HEAD_LIMIT = 65_536
"""Maximum size of an incomplete head in bytes, without the first chunk read from the socket (up to 256 KiB)."""

LINGER_SECONDS = 1.0
"""Seconds in which further input of a rejected client is discarded, before its connection is closed."""


class HeadLimitingProtocol(HttpToolsProtocol):
    """Handles one connection; rejects malformed requests and oversized heads with a problem response."""

    _head_open = False
    _head_size = 0
    _rejected = False

    def data_received(self, data: bytes) -> None:
        if self._rejected:
            return
        was_open = self._head_open
        super().data_received(data)
        if was_open and self._head_open:
            self._head_size += len(data)
            if self._head_size > HEAD_LIMIT:
                self._reject(problem_of_status(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_open = True
        self._head_size = 0

    def on_headers_complete(self) -> None:
        self._head_open = False
        super().on_headers_complete()

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
            f"cache-control: no-store\r\nconnection: close\r\nx-request-id: {current}\r\n\r\n"
        )
        self._rejected = True
        self.transport.write(STATUS_LINE[problem.status] + head.encode() + body)
        # An immediate close would reset a client that is still sending before it has read the response.
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
