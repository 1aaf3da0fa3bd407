"""One POST to an address that a stranger chose: bounded in time and size, without redirects, proxies or cookies."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import httpcore
import httpx

from millrace_notifications.network.guarded import (
    AddressRefusedError,
    GuardedNetwork,
    NameUnknownError,
    Resolve,
    resolve,
)
from millrace_notifications.network.urls import Target

ANSWER_LIMIT = 65_536
"""Bytes of an answer's body that are read before the connection is dropped; nothing of it is kept."""
LONGEST_RETRY_AFTER = 9


class PostFailedError(Exception):
    """There was no answer. The text is one of a few codes: `refused_address`, `unknown_name`, `timeout`, `tls`,
    `connection`, `protocol`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`retry_after` in seconds, None where there was none that can be read."""

    status: int
    retry_after: int | None = None


class Poster(Protocol):
    async def post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
        """Raises `PostFailedError`. A redirect is an answer like any other."""
        ...


class GuardedPoster:
    """Posts through a guarded network, over a new connection each time."""

    def __init__(self, pool: httpcore.AsyncConnectionPool, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds

    async def post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(target, headers, body)
        except AddressRefusedError:
            raise PostFailedError("refused_address") from None
        except NameUnknownError:
            raise PostFailedError("unknown_name") from None
        except (TimeoutError, httpcore.TimeoutException):
            raise PostFailedError("timeout") from None
        except ssl.SSLError:
            raise PostFailedError("tls") from None
        except (httpcore.NetworkError, OSError) as error:
            raise PostFailedError("tls" if _is_tls(error) else "connection") from None
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError):
            raise PostFailedError("protocol") from None

    async def _post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
        url = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        fields = {"Host": target.authority, "Content-Length": str(len(body)), "Connection": "close", **headers}
        each = dict.fromkeys(("connect", "read", "write", "pool"), self._seconds)
        async with self._pool.stream(
            "POST", url, headers=list(fields.items()), content=body, extensions={"timeout": each}
        ) as answer:
            await _read_some(answer)
            return Answer(answer.status, _retry_after(answer.headers))


async def _read_some(answer: httpcore.Response) -> None:
    size = 0
    async for part in answer.aiter_stream():
        size += len(part)
        if size > ANSWER_LIMIT:
            return


def _retry_after(headers: list[tuple[bytes, bytes]]) -> int | None:
    values = [value for name, value in headers if name.lower() == b"retry-after"]
    readable = bool(values) and values[0].isdigit() and len(values[0]) <= LONGEST_RETRY_AFTER
    return int(values[0]) if readable else None


def _is_tls(error: BaseException) -> bool:
    cause = error.__cause__ or error.__context__
    return cause is not None and (isinstance(cause, ssl.SSLError) or _is_tls(cause))


@asynccontextmanager
async def open_poster(
    *,
    seconds: float,
    at_once: int,
    loopback: bool,
    resolve: Resolve = resolve,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[GuardedPoster]:
    """A poster that trusts the usual authorities unless `tls` says otherwise. `seconds` bounds one post."""
    pool = httpcore.AsyncConnectionPool(
        ssl_context=tls or httpx.create_ssl_context(),
        max_connections=at_once,
        max_keepalive_connections=0,
        network_backend=GuardedNetwork(loopback=loopback, resolve=resolve),
    )
    async with pool:
        yield GuardedPoster(pool, seconds)
