"""HTTP client for webhooks: sends POST requests, limited in time and size, without redirects, proxies or cookies."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import httpcore
import httpx

from millrace_notifications.network.guarded import (
    AddressNotAllowedError,
    GuardedNetwork,
    NameResolutionError,
    Resolve,
    ThreadResolver,
)
from millrace_notifications.network.urls import Target

MAX_BODY_BYTES = 65_536
"""Maximum of bytes of a response body that are read and discarded before the connection is closed."""
MAX_RETRY_AFTER_DIGITS = 9


class PostFailedError(Exception):
    """There was no response. The message is a code: `refused_address`, `unknown_name`, `timeout`, `tls`, `connection`
    or `protocol`."""


@dataclass(frozen=True, slots=True)
class PostResponse:
    """A response. `retry_after` is the header `Retry-After` in seconds; None without a valid one."""

    status: int
    retry_after: int | None = None


class Poster(Protocol):
    async def post(self, target: Target, headers: Mapping[str, str], body: bytes) -> PostResponse:
        """Send a POST request and return the response; redirects aren't followed. Raises `PostFailedError`."""
        ...


class GuardedPoster:
    """`Poster` that sends each request over a new connection through a `GuardedNetwork`, within `seconds`."""

    def __init__(self, pool: httpcore.AsyncConnectionPool, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds

    async def post(self, target: Target, headers: Mapping[str, str], body: bytes) -> PostResponse:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(target, headers, body)
        except AddressNotAllowedError:
            raise PostFailedError("refused_address") from None
        except NameResolutionError:
            raise PostFailedError("unknown_name") from None
        except (TimeoutError, httpcore.TimeoutException):
            raise PostFailedError("timeout") from None
        except ssl.SSLError:
            raise PostFailedError("tls") from None
        except (httpcore.NetworkError, OSError) as error:
            raise PostFailedError("tls" if _is_tls(error) else "connection") from None
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError):
            raise PostFailedError("protocol") from None

    async def _post(self, target: Target, headers: Mapping[str, str], body: bytes) -> PostResponse:
        url = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        fields = {"Host": target.authority, "Content-Length": str(len(body)), "Connection": "close", **headers}
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), self._seconds)
        async with self._pool.stream(
            "POST", url, headers=list(fields.items()), content=body, extensions={"timeout": timeouts}
        ) as response:
            await _discard_body(response)
            return PostResponse(response.status, _parse_retry_after(response.headers))


async def _discard_body(response: httpcore.Response) -> None:
    size = 0
    async for part in response.aiter_stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            return


def _parse_retry_after(headers: list[tuple[bytes, bytes]]) -> int | None:
    values = [value for name, value in headers if name.lower() == b"retry-after"]
    valid = bool(values) and values[0].isdigit() and len(values[0]) <= MAX_RETRY_AFTER_DIGITS
    return int(values[0]) if valid else None


def _is_tls(error: BaseException) -> bool:
    cause = error.__cause__ or error.__context__
    return cause is not None and (isinstance(cause, ssl.SSLError) or _is_tls(cause))


@asynccontextmanager
async def open_poster(
    *,
    seconds: float,
    concurrency: int,
    loopback: bool,
    resolve: Resolve | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[GuardedPoster]:
    """Open a `GuardedPoster`. `seconds` limits each request, `concurrency` the number of connections and lookups."""
    # Not a context manager: its end would wait for lookups whose requests have ended.
    threads = ThreadPoolExecutor(concurrency, thread_name_prefix="resolver")
    pool = httpcore.AsyncConnectionPool(
        ssl_context=tls or httpx.create_ssl_context(),
        max_connections=concurrency,
        max_keepalive_connections=0,
        network_backend=GuardedNetwork(loopback=loopback, resolve=resolve or ThreadResolver(threads)),
    )
    try:
        async with pool:
            yield GuardedPoster(pool, seconds)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
