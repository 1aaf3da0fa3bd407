"""Sends requests exactly as they are written, which HTTP libraries refuse to do."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.support.fuzzing.cases import Case, Headers

SECONDS = 20.0
"""Longest time to a response."""
AT_ONCE = 8
"""Requests in progress at a time, fewer than any limit of a service."""
NO_RESPONSE = 0
"""Status of a connection that was closed without a response."""
_SEEN = 600


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that didn't end in a response below 500, and the beginning of what came instead."""

    case: Case
    status: int
    response: bytes

    def __str__(self) -> str:
        sent = f"{self.case.method.decode()} {self.case.target[:120].decode('latin-1')}"
        return f"{self.status}: {sent} [{self.case.what}] {self.response[:_SEEN]!r}"


async def find_failures(url: str, cases: Iterable[Case], headers: Headers) -> list[Failure]:
    """Send all requests to a server, a few at a time, and return those that failed.

    `headers` are those of every request, unless the request has its own.
    """
    waiting = iter(cases)
    found: list[Failure] = []

    async def work() -> None:
        for case in waiting:
            if (failure := await _send(url, case, headers)) is not None:
                found.append(failure)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(work())
    return found


async def _send(url: str, case: Case, common: Headers) -> Failure | None:
    address = urlsplit(url)
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            try:
                writer.write(_head(case, common, address.netloc.encode()) + case.body)
                if not case.is_framed:
                    writer.write_eof()
                response = await reader.read(_SEEN)
            finally:
                writer.close()
    except (TimeoutError, ConnectionError) as error:
        response = repr(error).encode()
    status = _status(response)
    is_fine = 100 <= status < 500 or (status == NO_RESPONSE and not case.is_framed)
    return None if is_fine else Failure(case, status, response)


def _head(case: Case, common: Headers, host: bytes) -> bytes:
    own = {name.lower() for name, _ in case.headers}
    headers: Sequence[tuple[bytes, bytes]] = [
        (b"Host", host),
        (b"Connection", b"close"),
        *(each for each in common if each[0].lower() not in own),
        *case.headers,
        *([(b"Content-Length", b"%d" % len(case.body))] if case.body and case.is_framed else []),
    ]
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return case.method + b" " + case.target + b" HTTP/1.1\r\n" + lines + b"\r\n"


def _status(response: bytes) -> int:
    start = response.partition(b"\r\n")[0].split(b" ")
    return int(start[1]) if len(start) > 1 and start[0].startswith(b"HTTP/") and start[1].isdigit() else NO_RESPONSE
