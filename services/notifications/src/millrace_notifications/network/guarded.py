"""Opens connections to allowed addresses only.

A name is resolved once, all its addresses are checked, and the connection uses the checked address, so DNS rebinding
has no effect. TLS still uses the name for SNI and certificate verification.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpcore

from millrace_notifications.network.addresses import is_allowed

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Function that resolves (host, port) to IP addresses as text. Raises `OSError` if there are none."""

RESOLVE_SECONDS = 5.0


class AddressNotAllowedError(Exception):
    """The name has an address that isn't allowed."""


class NameResolutionError(Exception):
    """The name couldn't be resolved in time."""


@dataclass(frozen=True, slots=True)
class ThreadResolver:
    """A `Resolve` by the system's resolver in threads of its own.

    A lookup occupies its thread beyond the time limit of who waits for it: in shared threads, names that resolve slowly
    would delay all others.
    """

    threads: Executor

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        infos = await asyncio.get_running_loop().run_in_executor(self.threads, _look_up, host, port)
        return [str(address[0]) for *_, address in infos]


def _look_up(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Network backend for httpcore that refuses names with any address that isn't allowed."""

    def __init__(self, *, loopback: bool, resolve: Resolve, inner: httpcore.AsyncNetworkBackend | None = None) -> None:
        self._loopback = loopback
        self._resolve = resolve
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 # signature of httpcore
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to an address that was checked.

        Raises `AddressNotAllowedError`, `NameResolutionError` and httpcore's errors.
        """
        address = await self._resolve_checked(host, port)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    async def _resolve_checked(self, host: str, port: int) -> str:
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise NameResolutionError from error
        if not addresses:
            raise NameResolutionError
        for text in addresses:
            # Only link-local addresses have a scope (`fe80::1%eth0`).
            if not is_allowed(ipaddress.ip_address(text.partition("%")[0]), loopback=self._loopback):
                raise AddressNotAllowedError
        return addresses[0]
