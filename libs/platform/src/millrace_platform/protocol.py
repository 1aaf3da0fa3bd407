"""The HTTP/1.1 protocol with a bound on a request's head while it comes in, and problems where the server refuses it.

The application bounds heads as well, but sees none before it is complete.
"""

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from millrace_platform.errors import Problem, problem_of_status
from millrace_platform.problems import PROBLEM_MEDIA_TYPE, problem_body

HEAD_LIMIT = 65_536
"""Bytes of a head that is still incomplete; the piece it began with isn't counted (at most 256 KiB)."""

LINGER_SECONDS = 1.0
"""How long a refused client may go on sending, into nothing."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _head_open = False
    _head_size = 0
    _refused = False

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        was_open = self._head_open
        super().data_received(data)
        if was_open and self._head_open:
            self._head_size += len(data)
            if self._head_size > HEAD_LIMIT:
                self._refuse(problem_of_status(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_open = True
        self._head_size = 0

    def on_headers_complete(self) -> None:
        self._head_open = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Uvicorn's answer to what isn't HTTP. A response that is under way can only be cut off."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()
            return
        self._refuse(problem_of_status(HTTPStatus.BAD_REQUEST, msg))

    def _refuse(self, problem: Problem) -> None:
        body = problem_body(problem)
        head = (
            f"content-type: {PROBLEM_MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            "cache-control: no-store\r\nconnection: close\r\n\r\n"
        )
        self._refused = True
        self.transport.write(STATUS_LINE[problem.status] + head.encode() + body)
        # Closed at once, a client that goes on sending would be reset before it has read why.
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
